"""Messages of a ROS 2 recording (an MCAP file), one by one, in the order of the file."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, cast

from datasets.cameras.ros2.kinds import missing_fields
from datasets.cameras.ros2.records import Bounded, damaged, guarded, library, read_records
from perception.errors import InputError

SECOND = 10**9
MAGIC = b"\x89MCAP0\r\n"
OTHERS = {"ros1": "ROS 1", "ros1msg": "ROS 1", "json": "JSON", "protobuf": "Protobuf"}


@dataclass(frozen=True)
class Channel:
    """What a topic carries.

    Attributes:
        topic: Its name.
        kind: The type of its messages, as `sensor_msgs/Image`.
        encoding: How they are written.
    """

    topic: str
    kind: str
    encoding: str


@dataclass(frozen=True)
class Message:
    """One message.

    Attributes:
        topic: Where it was sent.
        kind: Its type, as `sensor_msgs/Image`.
        logged_ns: When it was recorded, in nanoseconds.
        body: Its fields.
    """

    topic: str
    kind: str
    logged_ns: int
    body: Any

    @property
    def stamp_ns(self) -> int:
        """The time in its header, in nanoseconds; when it was recorded, where it has none."""
        header = getattr(self.body, "header", None)
        return self.logged_ns if header is None else nanoseconds(header.stamp)

    @property
    def frame(self) -> str:
        """The frame of reference in its header."""
        return str(self.body.header.frame_id).lstrip("/")


def nanoseconds(stamp: Any) -> int:  # noqa: ANN401 (a message's field)
    """Give a time of ROS in nanoseconds."""
    return int(stamp.sec * SECOND + stamp.nanosec)


def is_bag(path: Path) -> bool:
    """Tell by its first bytes whether a file is an MCAP file."""
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def read_messages(path: Path, wanted: Callable[[Channel], bool]) -> Iterator[Message]:
    """Read the messages of the topics that are wanted.

    Args:
        path: An MCAP file.
        wanted: Asked for each topic, whose type is one of those that are read.

    Raises:
        InputError: It is damaged, cut off, or no recording of ROS 2; the extra is missing.
    """
    decoding = _Decoding(path, wanted)
    with _opened(path) as file:
        for record in read_records(path, file):
            if (message := decoding.take(record)) is not None:
                yield message


@contextmanager
def _opened(path: Path) -> Iterator[Bounded]:
    try:
        with path.open("rb") as file:
            yield Bounded(file, path.stat().st_size)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error}") from error


class _Decoding:
    """Schemas and channels so far, by which messages are decoded."""

    def __init__(self, path: Path, wanted: Callable[[Channel], bool]) -> None:
        self._path, self._wanted = path, wanted
        self._factory = library("mcap_ros2.decoder").DecoderFactory()
        self._schemas: dict[int, Any] = {}
        self._channels: dict[int, tuple[Channel, Callable[[bytes], Any] | None]] = {}

    def take(self, record: Any) -> Message | None:  # noqa: ANN401 (the library's records)
        """Note what a record says; give the message that it holds, if that is wanted."""
        kind = type(record).__name__
        if kind == "Schema":
            self._schemas[record.id] = record
        elif kind == "Channel" and record.id not in self._channels:
            self._channels[record.id] = self._channel(record)
        elif kind == "Message":
            return self._message(record)
        return None

    def _channel(self, record: Any) -> tuple[Channel, Callable[[bytes], Any] | None]:  # noqa: ANN401
        schema = self._schemas.get(record.schema_id)
        kind = "" if schema is None else schema.name.replace("/msg/", "/")
        channel = Channel(record.topic, kind, record.message_encoding)
        if not self._wanted(channel):
            return channel, None
        if record.message_encoding != "cdr" or schema is None or schema.encoding != "ros2msg":
            own = record.message_encoding if schema is None else schema.encoding
            raise InputError(
                f"{self._path}: messages of {record.topic} are written as"
                f" {OTHERS.get(own, own)}, and those of ROS 2 (cdr, ros2msg) are read: convert the"
                " recording first"
            )
        return channel, self._decoder(channel, schema)

    def _decoder(self, channel: Channel, schema: Any) -> Callable[[bytes], Any]:  # noqa: ANN401
        definition = schema.data.decode(errors="replace")
        if missing := missing_fields(channel.kind, definition):
            raise InputError(
                f"{self._path}: {channel.topic}: {channel.kind} is defined there without"
                f" {', '.join(missing)}: it is none of ROS 2"
            )
        try:
            with redirect_stderr(StringIO()):  # It writes beside raising.
                return cast(Callable[[bytes], Any], self._factory.decoder_for("cdr", schema))
        except Exception as error:  # Its parser raises whatever fits.
            said = f"the definition of {channel.kind}: {error}"
            raise InputError(damaged(self._path, said)) from error

    def _message(self, record: Any) -> Message | None:  # noqa: ANN401
        if record.channel_id not in self._channels:
            raise InputError(damaged(self._path, f"no channel {record.channel_id}"))
        channel, decode = self._channels[record.channel_id]
        if decode is None:
            return None
        where = f"a message of {channel.topic}"
        body = guarded(self._path, lambda: decode(record.data), where)
        return Message(channel.topic, channel.kind, record.log_time, body)
