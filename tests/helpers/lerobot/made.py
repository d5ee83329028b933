"""LeRobot datasets as others write them: one camera with depth of any kind, two short episodes."""

import io
import json
from pathlib import Path
from typing import Any

import imageio_ffmpeg  # type: ignore[import-untyped]
import numpy as np
import pytest
from PIL import Image

pyarrow: Any = pytest.importorskip("pyarrow")  # The extra `convert`.
parquet: Any = pytest.importorskip("pyarrow.parquet")

LENGTHS, RATE, SIZE = (4, 5), 30, (16, 24)
STEPS = sum(LENGTHS)
NUMBERED = "chunk-{chunk_index:03d}/file-{file_index:03d}"
LENS = [[30.0, 0, 11.5], [0, 30.0, 7.5], [0, 0, 1]]
# A metre above the floor, looking straight down.
POSE = [[1.0, 0, 0, 0], [0, -1.0, 0, 0], [0, 0, -1.0, 1.0], [0, 0, 0, 1]]
CAMERA = {"intrinsics": LENS, "world_from_camera": POSE}
DEPTH, RGB = "observation.images.top_depth", "observation.images.top"
VIDEO = {
    "is_depth_map": True, "video.pix_fmt": "gray12le", "video.depth_min": 0.01,
    "video.depth_max": 10.0, "video.shift": 3.5, "video.use_log": True, "depth_unit": "mm",
}  # fmt: skip


def depths() -> np.ndarray:
    """Give a floor with a bump that moves, in whole millimetres, as float32 metres."""
    time, v, u = np.indices((STEPS, *SIZE))
    bump = 120 * np.exp(-((u - 6 - time) ** 2 + (v - 8) ** 2) / 20)
    made = np.rint(1000 - bump) / 1000
    made[:, 0, 0] = 0  # Nothing was hit there.
    return made.astype(np.float32)


def pictures() -> np.ndarray:
    """Give pictures whose frames differ in brightness."""
    shade = 20 * np.arange(STEPS)[:, None, None, None]
    return np.broadcast_to(shade + 40, (STEPS, *SIZE, 3)).astype(np.uint8)


def quantised(depth_m: np.ndarray) -> np.ndarray:
    """Give LeRobot's codes of depth: even in the logarithm of depth + 3.5 m, from 0.01 to 10 m."""
    low, high = np.log([3.51, 13.5])
    share = (np.log(depth_m + 3.5) - low) / (high - low)
    return np.rint(share * 4095).clip(0, 4095).astype("<u2")


def film(path: Path, frames: np.ndarray, kind: str, codec: str, *options: str) -> None:
    path.parent.mkdir(parents=True)
    height, width = frames.shape[1:3]
    writer = imageio_ffmpeg.write_frames(
        path, (width, height), pix_fmt_in=kind, fps=RATE, quality=None, codec=codec,
        pix_fmt_out=kind if kind == "gray12le" else "yuv420p", macro_block_size=1,
        output_params=list(options),
    )  # fmt: skip
    writer.send(None)
    for frame in frames:
        writer.send(np.ascontiguousarray(frame))
    writer.close()


def image(values: np.ndarray, kind: str) -> dict[str, Any]:
    file = io.BytesIO()
    Image.fromarray(values).save(file, kind)
    return {"bytes": file.getvalue(), "path": None}


def depth_column(root: Path, kind: str) -> tuple[dict[str, Any], Any]:
    """Keep the depth in one of the ways there are: its feature, and its column if it has one."""
    metres, size = depths(), [*SIZE, 1]
    millimetres = np.rint(metres * 1000).astype(np.uint16)
    if kind == "video":
        options = ("-x265-params", "lossless=1:log-level=error", "-g", "2")
        path = root / "videos" / DEPTH / "chunk-000/file-000.mp4"
        film(path, quantised(metres), "gray12le", "libx265", *options)
        return {"dtype": "video", "shape": size, "info": VIDEO}, None
    if kind in ("png", "tiff"):
        values = millimetres if kind == "png" else metres
        info = {"is_depth_map": True, "depth_unit": "mm" if kind == "png" else "m"}
        fields = [("bytes", pyarrow.binary()), ("path", pyarrow.string())]
        column = pyarrow.array([image(one, kind) for one in values], pyarrow.struct(fields))
        return {"dtype": "image", "shape": size, "info": info}, column
    values = metres if kind == "float32" else millimetres
    return {"dtype": kind, "shape": list(SIZE), "info": None}, pyarrow.array(values.tolist())


def write_lerobot(root: Path, kind: str | None = "float32", *, filmed: bool = False) -> Path:
    """Write a dataset; `kind` is how depth is kept: float32, uint16, png, tiff, video or None."""
    rng = np.random.default_rng(3)
    tables = {
        "observation.state": pyarrow.array(rng.normal(size=(STEPS, 7)).astype("f4").tolist()),
        "action": pyarrow.array(rng.uniform(-1, 1, (STEPS, 4)).astype("f4").tolist()),
        "next.reward": pyarrow.array(np.arange(STEPS, dtype="f4")),
    }
    features: dict[str, Any] = {
        "observation.state": {"dtype": "float32", "shape": [7]},
        "action": {"dtype": "float32", "shape": [4]},
        "next.reward": {"dtype": "float32", "shape": [1]},
    }
    if kind is not None:
        features[DEPTH], column = depth_column(root, kind)
        tables |= {} if column is None else {DEPTH: column}
    if filmed:
        film(root / "videos" / RGB / "chunk-000/file-000.mp4", pictures(), "rgb24", "libx264")
        features[RGB] = {"dtype": "video", "shape": [*SIZE, 3], "info": {"is_depth_map": False}}
    _write_frames(root, tables)
    _write_episodes(root, [key for key, one in features.items() if one["dtype"] == "video"])
    info = {
        "codebase_version": "v3.0", "fps": RATE, "robot_type": "arm", "features": features,
        "total_episodes": 2, "total_frames": STEPS, "total_tasks": 1, "chunks_size": 1000,
        "data_path": f"data/{NUMBERED}.parquet",
        "video_path": f"videos/{{video_key}}/{NUMBERED}.mp4",
    }  # fmt: skip
    (root / "meta/info.json").write_text(json.dumps(info), encoding="utf-8")
    return root


def say_cameras(root: Path, cameras: Any) -> None:  # noqa: ANN401
    (root / "meta/cameras.json").write_text(json.dumps(cameras), encoding="utf-8")


def change_info(root: Path, **values: Any) -> None:  # noqa: ANN401
    info = json.loads((root / "meta/info.json").read_text(encoding="utf-8"))
    (root / "meta/info.json").write_text(json.dumps({**info, **values}), encoding="utf-8")


def _write_frames(root: Path, tables: dict[str, Any]) -> None:
    episodes = np.repeat(np.arange(len(LENGTHS)), LENGTHS)
    frames = np.concatenate([np.arange(length) for length in LENGTHS])
    own = {
        "timestamp": (frames / RATE).astype("f4"), "frame_index": frames,
        "episode_index": episodes, "index": np.arange(STEPS), "task_index": np.zeros(STEPS, int),
    }  # fmt: skip
    file = root / "data/chunk-000/file-000.parquet"
    file.parent.mkdir(parents=True)
    columns = tables | {key: pyarrow.array(values) for key, values in own.items()}
    parquet.write_table(pyarrow.table(columns), file)


def _write_episodes(root: Path, films: list[str]) -> None:
    ends = np.cumsum(LENGTHS)
    rows = [
        {
            "episode_index": index, "length": length, "tasks": ["lift"],
            "data/chunk_index": 0, "data/file_index": 0,
            **{f"videos/{key}/{part}_index": 0 for key in films for part in ("chunk", "file")},
            **{f"videos/{key}/from_timestamp": (end - length) / RATE for key in films},
        }
        for index, (length, end) in enumerate(zip(LENGTHS, ends.tolist(), strict=True))
    ]  # fmt: skip
    file = root / "meta/episodes/chunk-000/file-000.parquet"
    file.parent.mkdir(parents=True)
    parquet.write_table(pyarrow.Table.from_pylist(rows), file)
