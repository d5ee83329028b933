"""All of a recording but its pictures: read once, and kept in memory."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datasets.cameras.ros2.bag import Channel, Message, read_messages
from datasets.cameras.ros2.images import encoding_of, is_depth
from datasets.cameras.ros2.joints import Joints
from datasets.cameras.ros2.kinds import FIELDS, INFO, PACKED, RAW, TRANSFORMS
from datasets.cameras.ros2.transforms import Transforms
from perception.errors import InputError

FIXED = "tf_static"  # How the topic of transforms that hold at all times is called.


@dataclass
class Images:
    """The images of a topic.

    Attributes:
        encoding: How the first is written.
        frame: The camera's frame of reference.
        is_depth: Whether they are of depth.
        stamps_ns: When each was taken, in the order of the file.
    """

    encoding: str
    frame: str
    is_depth: bool
    stamps_ns: list[int] = field(default_factory=list)


@dataclass
class Contents:
    """What a recording holds.

    Attributes:
        path: Its file.
        channels: By topic, whatever their type.
        images: By topic.
        infos: The descriptions of a camera by topic: each that differs from the one before.
        transforms: Where frames of reference are.
        joints: What was measured or commanded, by topic.
    """

    path: Path
    channels: dict[str, Channel] = field(default_factory=dict)
    images: dict[str, Images] = field(default_factory=dict)
    infos: dict[str, list[Message]] = field(default_factory=dict)
    transforms: Transforms = field(default_factory=Transforms)
    joints: dict[str, Joints] = field(default_factory=dict)

    def topics(self, *kinds: str) -> list[str]:
        """Name the topics of some types, those without a message too."""
        return [topic for topic, one in self.channels.items() if one.kind in kinds]

    def note(self, channel: Channel) -> bool:
        """Take down a topic; say whether its messages are of use."""
        self.channels[channel.topic] = channel
        return channel.kind in FIELDS

    def add(self, message: Message) -> None:
        """Take a message.

        Raises:
            InputError: It makes no sense.
        """
        topic = message.topic
        if message.kind in (RAW, PACKED):
            self._add_image(message)
        elif message.kind == INFO:
            self._add_info(message)
        elif message.kind == TRANSFORMS:
            is_fixed = topic.rpartition("/")[2] == FIXED
            self.transforms.add(message.body.transforms, is_fixed=is_fixed)
        else:
            self.joints.setdefault(topic, Joints(topic)).add(message)

    def _add_image(self, message: Message) -> None:
        frame = message.frame
        first = Images(encoding_of(message), frame, is_depth(message))
        images = self.images.setdefault(message.topic, first)
        if (images.frame, images.encoding) != (frame, first.encoding):
            raise InputError(
                f"{message.topic}: images are {first.encoding} of frame {frame!r}, and were"
                f" {images.encoding} of {images.frame!r} before"
            )
        images.stamps_ns.append(message.stamp_ns)

    def _add_info(self, message: Message) -> None:
        infos = self.infos.setdefault(message.topic, [])
        if not infos or _lens_of(infos[-1]) != _lens_of(message):
            infos.append(message)


def _lens_of(message: Message) -> list[Any]:
    body = message.body
    return [body.width, body.height, body.distortion_model, body.d, body.k, body.r, body.p]


def read_contents(path: Path) -> Contents:
    """Read a recording.

    Raises:
        InputError: It is damaged, or holds what makes no sense.
    """
    contents = Contents(path)
    for message in read_messages(path, contents.note):
        try:
            contents.add(message)
        except InputError as error:
            raise InputError(f"{path.name}: {error}") from error
    contents.transforms.order()
    return contents
