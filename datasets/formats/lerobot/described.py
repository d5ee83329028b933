"""What a LeRobot dataset says of itself: its features, and where each episode's parts are.

Source: LeRobot's datasets/{dataset_metadata,dataset_reader,feature_utils}.py (0.6.1).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets.formats.lerobot.tables import rows_of
from perception.errors import InputError

INFO = Path("meta", "info.json")
VERSION = "v3."
MARKS = ("is_depth_map", "video.is_depth_map")  # Of a depth feature; the second is older.


@dataclass(frozen=True)
class Feature:
    """One of the things that a dataset holds at every frame.

    Attributes:
        key: Its name.
        dtype: NumPy's name of a type, `image` or `video`.
        shape: Of one frame.
        info: Further facts about it.
    """

    key: str
    dtype: str
    shape: tuple[int, ...]
    info: Mapping[str, Any]

    @property
    def is_picture(self) -> bool:
        """Whether it is kept as image files or as a video."""
        return self.dtype in ("image", "video")

    @property
    def is_depth(self) -> bool:
        """Whether it is a depth image: marked as one, or of one channel and called so."""
        if any(self.info.get(mark) is True for mark in MARKS):
            return True
        called = "depth" in self.key and self.dtype != "video"
        return called and len(self.image_size) == 2

    @property
    def image_size(self) -> tuple[int, ...]:
        """Height and width of a depth image, whose one channel may have an axis."""
        return tuple(size for size in self.shape if size != 1)

    @property
    def camera(self) -> str:
        """Which camera it is of: `top` of `observation.images.top_depth`."""
        name = self.key.removeprefix("observation.")
        for kind in ("images", "image", "depth"):
            name = name.removeprefix(f"{kind}.")
        for kind in ("depth", "rgb", "color"):
            name = name.removesuffix(f"_{kind}").removesuffix(f".{kind}")
        return name


@dataclass(frozen=True)
class Described:
    """A dataset's description.

    Attributes:
        root: Its folder.
        info: All that info.json says.
        features: By key.
        episodes: The row of each episode, in order.
    """

    root: Path
    info: Mapping[str, Any]
    features: Mapping[str, Feature]
    episodes: tuple[Mapping[str, Any], ...]

    @property
    def rate(self) -> float:
        """Frames a second."""
        return float(self.info["fps"])

    @property
    def lengths(self) -> tuple[int, ...]:
        """Steps of each episode."""
        return tuple(row["length"] for row in self.episodes)

    def number(self, index: int) -> int:
        """Give the number by which the frames of an episode name it."""
        return int(self.episodes[index]["episode_index"])

    def data_file(self, index: int) -> Path:
        """Name the table that has an episode's frames.

        Raises:
            InputError: The description leads nowhere.
        """
        return self._path("data_path", self._place(index, "data"))

    def film(self, index: int, key: str) -> tuple[Path, float]:
        """Name the video that shows an episode, and the second at which it begins there.

        Raises:
            InputError: The description leads nowhere.
        """
        place = self._place(index, f"videos/{key}")
        start = self.episodes[index].get(f"videos/{key}/from_timestamp", 0.0)
        return self._path("video_path", {"video_key": key, **place}), float(start)

    def _place(self, index: int, part: str) -> dict[str, int]:
        row = self.episodes[index]
        try:
            return {name: int(row[f"{part}/{name}"]) for name in ("chunk_index", "file_index")}
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"{self.root.name}: meta/episodes does not say where {part} of episode {index} is"
                f" ({error}): restore it from a copy"
            ) from error

    def _path(self, pattern: str, place: Mapping[str, Any]) -> Path:
        said = self.info.get(pattern)
        try:
            path = (self.root / str(said).format(**place)).resolve()
        except (KeyError, ValueError, IndexError, AttributeError, TypeError) as error:
            raise InputError(f"{self.root / INFO}: {pattern} is {said!r}, no path") from error
        if not path.is_relative_to(self.root.resolve()):
            raise InputError(f"{self.root / INFO}: {pattern} is {said!r}, outside of the dataset")
        return path


def is_dataset(path: Path) -> bool:
    """Tell whether this is a folder as LeRobot writes it, of any version."""
    try:
        return '"codebase_version"' in (path / INFO).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False


def read_description(root: Path) -> Described:
    """Read what a dataset says of itself.

    Raises:
        InputError: It is damaged, of another version, or pyarrow is missing.
    """
    info = read_json(root / INFO)
    version = str(info.get("codebase_version"))
    if not version.startswith(VERSION):
        raise InputError(
            f"{root} is LeRobot {version}, and v3.0 is read: bring it up to date first (python -m"
            " lerobot.scripts.convert_dataset_v21_to_v30)"
        )
    said = info.get("features")
    if not isinstance(said, dict):
        raise InputError(f"{root / INFO} has no features: restore it from a copy")
    if not isinstance(info.get("fps"), int | float) or not info["fps"] > 0:
        raise InputError(f"{root / INFO}: fps is {info.get('fps')}: restore it from a copy")
    features = {key: _feature(root, key, one) for key, one in said.items()}
    return Described(root, info, features, _episodes(root))


def read_json(file: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        InputError: The file cannot be read, or holds something else.
    """
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{file} cannot be read ({error}): restore it from a copy") from error
    if not isinstance(said, dict):
        raise InputError(f"{file} is no JSON object: restore it from a copy")
    return said


def _feature(root: Path, key: str, said: Any) -> Feature:  # noqa: ANN401 (any JSON)
    fields = said if isinstance(said, dict) else {}
    shape, info = fields.get("shape"), fields.get("info") or fields.get("video_info") or {}
    sizes = shape if isinstance(shape, list) else []
    if not sizes or not all(type(size) is int and size >= 0 for size in sizes):
        raise InputError(f"{root / INFO}: the shape of {key} is {shape}: restore it from a copy")
    about = info if isinstance(info, dict) else {}
    return Feature(key, str(fields.get("dtype")), tuple(sizes), about)


def _episodes(root: Path) -> tuple[Mapping[str, Any], ...]:
    """Read the rows of all episodes, without their statistics."""
    files = sorted((root / "meta/episodes").glob("*/*.parquet"))
    rows = [row for file in files for row in rows_of(file, skip="stats/")]
    for row in rows:
        if not all(type(row.get(name)) is int for name in ("episode_index", "length")):
            raise InputError(f"{root}/meta/episodes lacks episode_index or length: restore it")
    numbers = [row["episode_index"] for row in rows]
    if not rows or len(set(numbers)) != len(numbers):
        raise InputError(
            f"{root}/meta/episodes holds no episode, or one twice: restore it from a copy"
        )
    return tuple(sorted(rows, key=lambda row: int(row["episode_index"])))
