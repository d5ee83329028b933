"""A film as a piece of a page: cloud, pictures and video in step, without a network or WebGL.

The numbers of a film are packed as browsers unpack them by themselves (zlib): clouds in steps of a
4095th of their extent, depth images in millimetres as differences from one frame to the next, the
pictures of a camera as one WebP. `film.js` and `film_controls.js`, which `pages.page` adds, play
it.
"""

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
from jaxtyping import Float, UInt8, UInt16

from perception.camera import Pinhole, hangs
from visualizer import pages
from visualizer.boxes import box_edges
from visualizer.film import Film, height_colours
from visualizer.pages import Html
from visualizer.viewpoint import Viewpoint, stand_back

LEVELS = 4095
FRAMES, PICTURE_PX = 400, 168  # A film of more frames, pictures of more pixels: thinned out.
COLOURS = {"hand": "#2f6db3", "object": "#e07b1a", "goal": "#1f9d63"}
OTHER_COLOUR = "#6f7f99"
GRID_M, RAMP = 0.1, 16
TO_TURN = "Drag to turn; click, then scroll, to zoom; double-click to go back."
FAR = 1.2  # Of the clouds' extent: what a camera sees that far from their middle is left out.


def film_part(film: Film, caption: str = "", *, video: Path | None = None) -> Html:
    """Show a film, with its video in step if there is one; both have the same frames."""
    packed = json.dumps(_packed(film), separators=(",", ":"), allow_nan=False)
    data = packed.replace("<", "\\u003c")
    playing = "" if video is None or not video.exists() else _video(video)
    inner = f'{playing}<script type="application/json">{data}</script>'
    return pages.framed(f'<div class="film">{inner}</div>', caption)


def _video(video: Path) -> str:
    source = pages.as_data("video/mp4", video.read_bytes())
    said = f"<figcaption>{pages.text(video.name)}</figcaption>"
    return f'<figure><video muted playsinline preload="auto" src="{source}"></video>{said}</figure>'


def _packed(film: Film) -> dict[str, Any]:
    """Give all that the player needs, as JSON has it."""
    stride = -(-len(film.clouds) // FRAMES)
    clouds = film.clouds[::stride].astype(np.float64)
    low, high = (edge(clouds[..., :3], axis=(0, 1)) for edge in (np.min, np.max))
    step = np.maximum(high - low, 1e-6) / LEVELS
    view = stand_back(clouds, list(film.cameras.values()))
    packed = {
        "frames": len(clouds),
        "points": clouds.shape[1],
        "rate": film.frames_per_second / stride,
        "steps": list(range(0, len(film.clouds), stride)),
        "low": _rounded(low, 5),
        "step": _rounded(step, 9),
        "extent": round(view.extent_m, 4),
        "xyz": _words(np.round((clouds[..., :3] - low) / step).astype(np.uint16)),
        "heights": _rounded(np.array(film.heights_m), 4),
        "ramp": height_colours(np.linspace(0, 1, RAMP)).tolist(),
        "view": {"position": _rounded(view.position), "target": _rounded(view.target)},
        "grid": _grid(view, float(low[2])),
        "edges": [] if film.box is None else _rounded(box_edges(film.box)),
        "cameras": [_camera(film, name, view, stride) for name in film.cameras],
        "marks": [_mark(name, places[::stride]) for name, places in film.marks.items()],
        "numbers": {name: _shown(values, stride) for name, values in film.numbers.items()},
        **_paths(film.paths[::stride]),
        **_of_points(film, stride),
    }
    return packed


def _grid(view: Viewpoint, floor_m: float) -> dict[str, Any]:
    centre = [*_rounded(view.target[:2].round(1)), round(floor_m, 4)]
    half = int(np.ceil(0.7 * view.extent_m / GRID_M))
    return {"centre": centre, "half": min(half, 40), "step": GRID_M}


def _mark(name: str, places: Float[np.ndarray, "frame 3"]) -> dict[str, Any]:
    return {"name": name, "colour": COLOURS.get(name, OTHER_COLOUR), "places": _rounded(places)}


def _shown(values: Float[np.ndarray, " number"], stride: int) -> list[str]:
    """Write the numbers of a curve for people."""
    return [f"{value:.3g}" for value in values[::stride].tolist()]


def _paths(paths: Sequence[Float[np.ndarray, "corner 3"] | None]) -> dict[str, Any]:
    """Give each path once, and which one holds at each frame."""
    fresh = [path is not last for last, path in pairwise([object(), *paths])]
    held = (np.cumsum(fresh) - 1).tolist()
    kept = [path for path, new in zip(paths, fresh, strict=True) if new]
    return {"held": held, "paths": [None if path is None else _rounded(path) for path in kept]}


def _of_points(film: Film, stride: int) -> dict[str, Any]:
    """Give what points lie on, and their own colours, where there are such."""
    packed: dict[str, Any] = {"names": []}
    if film.lies_on is not None:
        names = film.lies_on.names
        packed["names"] = [{"name": n, "colour": COLOURS.get(n, OTHER_COLOUR)} for n in names]
        packed["roles"] = _bytes(film.lies_on.indices[::stride])
    if film.clouds.shape[-1] == 6:
        packed["rgb"] = _bytes(film.colours[::stride])
    return packed


def _camera(film: Film, name: str, view: Viewpoint, stride: int) -> dict[str, Any]:
    """Give where a camera stands, what it took, and how its pixels are lifted."""
    camera, pictures = film.cameras[name], film.pictures.get(name)
    packed: dict[str, Any] = {
        "name": name,
        "hangs": hangs(camera),
        "edges": _rounded(_frustum(camera, view)),
        "pose": _rounded(camera.world_from_camera[:3], 6),
    }
    if pictures is not None:
        packed |= _sheet(pictures[::stride, :: _every(pictures), :: _every(pictures)])
    if (depths_m := film.depths_m.get(name)) is not None:
        every = _every(depths_m)
        near = _without_far(depths_m[::stride, ::every, ::every], camera, view)
        packed["depth_mm"] = _words(np.diff(near, axis=0, prepend=np.zeros_like(near[:1])))
        packed["grid"] = near.shape[:0:-1]
        packed["lens"] = _rounded(np.array(camera.lens) / every)
    return packed


def _every(images: np.ndarray) -> int:
    """Choose every which pixel of images is kept."""
    return int(np.ceil(max(images.shape[1:3]) / PICTURE_PX))


def _frustum(camera: Pinhole, view: Viewpoint) -> Float[np.ndarray, "8 2 3"]:
    """Give the edges of a camera's field of view, from the camera to a little before the points."""
    pose = camera.world_from_camera
    distance_m = float(np.linalg.norm(view.target - pose[:3, 3]))
    depth_m = np.clip(distance_m - 0.5 * view.extent_m, 0.1 * distance_m, 0.25 * distance_m)
    fx, fy, cx, cy = camera.lens
    u, v = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]).T * [[camera.width], [camera.height]]
    rays = np.stack([(u - cx) / fx, (v - cy) / fy, np.ones(4)], axis=1)
    corners = depth_m * rays @ pose[:3, :3].T + pose[:3, 3]
    from_eye = np.stack([np.tile(pose[:3, 3], (4, 1)), corners], axis=1)
    return np.concatenate([from_eye, np.stack([corners, np.roll(corners, 1, axis=0)], axis=1)])


def _without_far(
    depths_m: Float[np.ndarray, "frame height width"], camera: Pinhole, view: Viewpoint
) -> UInt16[np.ndarray, "frame height width"]:
    """Give depth in millimetres, 0 for what lies far from the clouds."""
    forward = camera.world_from_camera[:3, 2]
    middle_m = float((view.target - camera.world_from_camera[:3, 3]) @ forward)
    kept = np.abs(depths_m - middle_m) < FAR * view.extent_m
    return np.round(1000 * np.where(kept, depths_m, 0).clip(0, 65)).astype(np.uint16)


def _sheet(pictures: UInt8[np.ndarray, "frame height width 3"]) -> Mapping[str, Any]:
    """Put the pictures of a camera side by side on one WebP, row by row."""
    frames, height, width, _ = pictures.shape
    columns = int(np.ceil(np.sqrt(frames)))
    rows = -(-frames // columns)
    tiles = np.zeros((rows * columns, height, width, 3), np.uint8)
    tiles[:frames] = pictures
    grid = tiles.reshape(rows, columns, height, width, 3).swapaxes(1, 2)
    sheet = grid.reshape(rows * height, columns * width, 3)
    webp = iio.imwrite("<bytes>", sheet, extension=".webp", quality=65)
    return {"columns": columns, "tile": [width, height], "sheet": pages.as_data("image/webp", webp)}


def _words(numbers: UInt16[np.ndarray, "..."]) -> str:
    """Pack 16-bit numbers, all low bytes first, then all high ones: those compress better."""
    planes = numbers.astype("<u2").reshape(-1).view(np.uint8).reshape(-1, 2).T
    return _bytes(np.ascontiguousarray(planes))


def _bytes(numbers: UInt8[np.ndarray, "..."]) -> str:
    return base64.b64encode(zlib.compress(numbers.tobytes(), 9)).decode()


def _rounded(numbers: Float[np.ndarray, "..."], digits: int = 4) -> Any:  # noqa: ANN401 (as JSON nests them)
    return np.asarray(numbers, np.float64).round(digits).tolist()
