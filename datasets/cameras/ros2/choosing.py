"""Which topics become cameras, robot state and actions: found by type, or as asked for."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from datasets.cameras.ros2.contents import Contents, Images
from datasets.cameras.ros2.kinds import COMMANDS, INFO, STATE
from datasets.cameras.ros2.lenses import Lens, read_lens
from perception.errors import InputError

logger = logging.getLogger(__name__)

# Parts of topics' names that say what is sent there, and nothing of whose it is.
GENERIC = {"depth", "depth_registered", "stereo", "aligned_depth_to_color", "hw_registered"}
GENERIC |= {"image", "image_raw", "image_rect", "image_rect_raw", "compressedDepth"}
OPTICAL = "optical"  # Is in the name of a frame whose axes are x right, y down, z ahead (REP 103).


@dataclass(frozen=True)
class Asked:
    """What was asked for; None finds it.

    Attributes:
        cameras: Names of cameras, or their topics of depth.
        states: Topics of the robot's joints, in this order.
        action: The topic of commands; None: the next state is the action.
        world: The frame in which clouds are.
        stale_s: How far from a frame's stamp what belongs to it may be.
    """

    cameras: tuple[str, ...] | None = None
    states: tuple[str, ...] | None = None
    action: str | None = None
    world: str | None = None
    stale_s: float = 0.2


@dataclass(frozen=True)
class Camera:
    """A camera that takes depth: the topic of its images, its frame of reference, its lens."""

    topic: str
    frame: str
    lens: Lens


@dataclass(frozen=True)
class Chosen:
    """What is read of a recording.

    Attributes:
        cameras: By name; the first one's images are the steps.
        states: The joints of the robot's state, by topic.
        actions: Those of the commands, by topic; empty: the next state is the action.
        world: The frame in which clouds are.
        stale_s: How far from a frame's stamp what belongs to it may be.
    """

    cameras: Mapping[str, Camera]
    states: Mapping[str, tuple[str, ...]]
    actions: Mapping[str, tuple[str, ...]]
    world: str
    stale_s: float


def choose(contents: Contents, asked: Asked) -> Chosen:
    """Choose what is read.

    Raises:
        InputError: Something is not there, or several are and none was asked for.
    """
    try:
        cameras = _cameras(contents, asked.cameras)
        states = _states(contents, asked.states)
        actions = () if asked.action is None else (asked.action,)
        return Chosen(
            cameras,
            _joints(contents, states, "state_keys", (STATE,)),
            _joints(contents, actions, "action_key", (STATE, *COMMANDS)),
            asked.world or _root(contents, cameras),
            asked.stale_s,
        )
    except InputError as error:
        raise InputError(f"{contents.path.name}: {error}") from error


def _cameras(contents: Contents, asked: tuple[str, ...] | None) -> dict[str, Camera]:
    depths = {topic: one for topic, one in contents.images.items() if one.is_depth}
    if not depths:
        listed = [f"{topic} ({one.encoding})" for topic, one in contents.images.items()]
        raise InputError(
            "there are no depth images (sensor_msgs/Image of 16UC1 or 32FC1, or compressedDepth);"
            f" of images there {'are ' + ', '.join(listed) if listed else 'is no topic'}, and of"
            f" all topics {', '.join(contents.channels) or 'none'}"
        )
    names = _named(list(depths))
    if asked is None and len(depths) > 1:
        listed = [f"{name} ({topic})" for name, topic in names.items()]
        raise InputError(f"several cameras take depth: choose by cameras= of {', '.join(listed)}")
    cameras = {}
    for one in asked or names:
        name = next((n for n, topic in names.items() if one in (n, topic)), None)
        if name is None:
            listed = [f"{name} ({topic})" for name, topic in names.items()]
            raise InputError(f"no camera {one} takes depth; there are {', '.join(listed)}")
        topic = names[name]
        cameras[name] = Camera(topic, depths[topic].frame, _lens(contents, topic, depths[topic]))
    return cameras


def _named(topics: list[str]) -> dict[str, str]:
    """Give topics by the names of their cameras: `front` of /front/depth/image_rect_raw."""
    own = {topic: [part for part in topic.split("/") if part] for topic in topics}
    short = {t: "_".join(dict.fromkeys(p for p in own[t] if p not in GENERIC)) for t in topics}
    plain = all(short.values()) and len(set(short.values())) == len(topics)
    return {short[topic] if plain else "_".join(own[topic]): topic for topic in topics}


def _lens(contents: Contents, topic: str, images: Images) -> Lens:
    """Read the lens beside the images' topic, or the only one of the same frame."""
    base = topic.removesuffix("/compressedDepth")
    beside = f"{base.rpartition('/')[0]}/camera_info"
    same = [t for t, infos in contents.infos.items() if infos[0].frame == images.frame]
    found = beside if beside in contents.infos else same[0] if len(same) == 1 else None
    if found is None:
        listed = ", ".join(contents.infos) or "none"
        raise InputError(
            f"no {INFO} of {topic}: {beside} is expected, or one of frame {images.frame!r};"
            f" there are {listed}"
        )
    is_rectified = "rect" in base.rpartition("/")[2]
    try:
        lenses = [read_lens(info.body, is_rectified=is_rectified) for info in contents.infos[found]]
    except InputError as error:
        raise InputError(f"{found}: {error}") from error
    if len(set(lenses)) > 1:
        raise InputError(f"{found}: the lens changes during the recording, and has to stay")
    return lenses[0]


def _states(contents: Contents, asked: tuple[str, ...] | None) -> tuple[str, ...]:
    if asked is not None:
        return asked
    there = [topic for topic in contents.topics(STATE) if topic in contents.joints]
    if len(there) != 1:
        listed = ", ".join(there) or "none"
        raise InputError(
            f"the robot's state is one topic of {STATE}, or those of state_keys=; there"
            f" {'is' if not there else 'are'} {listed}"
        )
    return tuple(there)


def _joints(
    contents: Contents, topics: tuple[str, ...], key: str, kinds: tuple[str, ...]
) -> dict[str, tuple[str, ...]]:
    """Give the joints of some topics, in the order in which they were met."""
    for topic in topics:
        if topic not in contents.joints or contents.channels[topic].kind not in kinds:
            there = [one for one in contents.topics(*kinds) if one in contents.joints]
            raise InputError(
                f"{key}={topic} is no topic of {' or '.join(kinds)} with messages; there are"
                f" {', '.join(there) or 'none'}"
            )
    return {topic: tuple(contents.joints[topic].series) for topic in topics}


def _root(contents: Contents, cameras: Mapping[str, Camera]) -> str:
    """Give the frame that the cameras hang on."""
    for name, camera in cameras.items():
        if camera.frame not in contents.transforms.edges:
            raise InputError(
                f"no transforms say where camera {name} stands (frame {camera.frame!r}): record"
                " /tf and /tf_static"
            )
    roots = {contents.transforms.root(camera.frame) for camera in cameras.values()}
    if len(roots) > 1:
        raise InputError(
            f"the cameras hang on {', '.join(sorted(roots))}, which no transforms connect"
        )
    return roots.pop()
