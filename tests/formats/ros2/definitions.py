"""Definitions of ROS 2's messages, as `ros2 bag record` keeps them with the messages."""

RULE = "\n" + "=" * 80 + "\n"
HEADER = f"""{RULE}MSG: std_msgs/Header
builtin_interfaces/Time stamp
string frame_id
"""
ROI = f"""{RULE}MSG: sensor_msgs/RegionOfInterest
uint32 x_offset
uint32 y_offset
uint32 height
uint32 width
bool do_rectify
"""
TRANSFORM = f"""{RULE}MSG: geometry_msgs/TransformStamped
std_msgs/Header header
string child_frame_id
geometry_msgs/Transform transform{RULE}MSG: geometry_msgs/Transform
geometry_msgs/Vector3 translation
geometry_msgs/Quaternion rotation{RULE}MSG: geometry_msgs/Vector3
float64 x
float64 y
float64 z{RULE}MSG: geometry_msgs/Quaternion
float64 x 0
float64 y 0
float64 z 0
float64 w 1
"""
LAYOUT = f"""{RULE}MSG: std_msgs/MultiArrayLayout
std_msgs/MultiArrayDimension[] dim
uint32 data_offset{RULE}MSG: std_msgs/MultiArrayDimension
string label
uint32 size
uint32 stride
"""
POINT = f"""{RULE}MSG: trajectory_msgs/JointTrajectoryPoint
float64[] positions
float64[] velocities
float64[] accelerations
float64[] effort
builtin_interfaces/Duration time_from_start
"""
DEFINITIONS = {
    "sensor_msgs/msg/Image": """std_msgs/Header header
uint32 height
uint32 width
string encoding
uint8 is_bigendian
uint32 step
uint8[] data
"""
    + HEADER,
    "sensor_msgs/msg/CompressedImage": "std_msgs/Header header\nstring format\nuint8[] data\n"
    + HEADER,
    "sensor_msgs/msg/CameraInfo": """std_msgs/Header header
uint32 height
uint32 width
string distortion_model
float64[] d
float64[9] k
float64[9] r
float64[12] p
uint32 binning_x
uint32 binning_y
sensor_msgs/RegionOfInterest roi
"""
    + HEADER
    + ROI,
    "sensor_msgs/msg/JointState": """std_msgs/Header header
string[] name
float64[] position
float64[] velocity
float64[] effort
"""
    + HEADER,
    "tf2_msgs/msg/TFMessage": "geometry_msgs/TransformStamped[] transforms\n" + TRANSFORM + HEADER,
    "std_msgs/msg/Float64MultiArray": "std_msgs/MultiArrayLayout layout\nfloat64[] data\n" + LAYOUT,
    "trajectory_msgs/msg/JointTrajectory": """std_msgs/Header header
string[] joint_names
trajectory_msgs/JointTrajectoryPoint[] points
"""
    + HEADER
    + POINT,
    "std_msgs/msg/String": "string data\n",
}
