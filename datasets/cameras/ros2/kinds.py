"""The types of messages that are read, and the fields that are looked for in them.

A file brings the definition of each type with it, by which its messages are decoded. One that lacks
what is looked for, or has it in another type of number, is of another program.
"""

RAW, PACKED = "sensor_msgs/Image", "sensor_msgs/CompressedImage"
INFO, TRANSFORMS = "sensor_msgs/CameraInfo", "tf2_msgs/TFMessage"
STATE = "sensor_msgs/JointState"
NUMBERS, TRAJECTORY = "std_msgs/Float64MultiArray", "trajectory_msgs/JointTrajectory"
COMMANDS = (NUMBERS, TRAJECTORY)

_IMAGE = "uint32 height, uint32 width, string encoding, uint8 is_bigendian, uint32 step"
_PLACE = "float64 x, float64 y, float64 z, float64 w, string child_frame_id"
FIELDS = {
    RAW: f"string frame_id, {_IMAGE}, uint8[] data",
    PACKED: "string frame_id, string format, uint8[] data",
    INFO: "string frame_id, uint32 height, uint32 width, string distortion_model, float64[] d,"
    " float64[9] k, float64[9] r, float64[12] p",
    TRANSFORMS: f"string frame_id, {_PLACE}",
    STATE: "string frame_id, string[] name, float64[] position",
    NUMBERS: "float64[] data",
    TRAJECTORY: "string frame_id, string[] joint_names, float64[] positions",
}


def missing_fields(kind: str, definition: str) -> list[str]:
    """Name the fields of a type that its definition, with those of its parts, lacks."""
    there = {" ".join(line.split()[:2]) for line in definition.splitlines()}
    return [field for field in FIELDS[kind].split(", ") if field not in there]
