"""A film of clouds as one HTML file that plays without a network.

It is viser's own player with the recording inside. Viser records through a server: it is bound to
the loopback interface, at a free port, for as long as the recording takes. The same scene can be
served live (`serving`, `set_up`).
"""

import io
import logging
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field

import numpy as np
import viser
import viser.transforms
from jaxtyping import Float, UInt8
from matplotlib import colormaps

from perception.camera import Pinhole
from perception.errors import InputError
from perception.point_cloud import Box
from visualizer.boxes import COLOUR as BOX_COLOUR
from visualizer.boxes import box_edges
from visualizer.viewpoint import FOVY_DEG, stand_back

PATH_COLOUR = (214, 64, 69)
BEHIND_COLOUR = (195, 202, 212)
CELL_COLOUR = (178, 187, 200)
FRUSTUM_COLOUR = (120, 135, 158)


@dataclass(frozen=True)
class Film:
    """Clouds over time, and the cameras that saw them.

    Attributes:
        clouds: World-frame points in metres; with colour, red, green and blue in [0, 1] follow.
        cameras: By name.
        frames_per_second: How fast to play.
        pictures: Of cameras, by their names; a camera may have none.
        paths: A world-frame polyline for each frame, such as a plan, or None; or none at all.
        numbers: Curves by name, for viewers that can plot (Rerun).
        box: The crop box, if it is drawn.
    """

    clouds: Float[np.ndarray, "frame point 3"] | Float[np.ndarray, "frame point 6"]
    cameras: dict[str, Pinhole]
    frames_per_second: float
    pictures: dict[str, UInt8[np.ndarray, "frame height width 3"]] = field(default_factory=dict)
    paths: Sequence[Float[np.ndarray, "corner 3"] | None] = ()
    numbers: dict[str, Float[np.ndarray, " frame"]] = field(default_factory=dict)
    box: Box | None = None

    @property
    def colours(self) -> UInt8[np.ndarray, "frame point 3"]:
        """The points' own colours, or where they have none, colours that show their height."""
        return _colours(self.clouds, self.heights_m)

    @property
    def heights_m(self) -> tuple[float, float]:
        """The range of heights that colours show."""
        low, high = np.quantile(self.clouds[..., 2], [0.01, 0.99])
        return float(low), float(high)

    def frame(self, index: int) -> "Frame":
        """Give one frame by its number."""
        pictures = {name: pictures[index] for name, pictures in self.pictures.items()}
        return Frame(self.clouds[index], pictures, self.paths[index] if self.paths else None)


@dataclass(frozen=True)
class Frame:
    """One frame: a cloud, what cameras saw, and a polyline to draw, or none."""

    cloud: Float[np.ndarray, "point axis"]
    pictures: dict[str, UInt8[np.ndarray, "height width 3"]]
    path: Float[np.ndarray, "corner 3"] | None


def as_html(film: Film) -> str:
    """Give the film as one HTML document that plays by itself, without a network."""
    with serving() as server:
        show = set_up(server, film)
        serializer = server.get_scene_serializer()
        for index in range(len(film.clouds)):
            show(film.frame(index))
            serializer.insert_sleep(1 / film.frames_per_second)
        return serializer.as_html()


def _colours(
    points: Float[np.ndarray, "*lead axis"], heights_m: tuple[float, float]
) -> UInt8[np.ndarray, "*lead 3"]:
    """Give points their own colours, or those that show height, between a low and a high one."""
    if points.shape[-1] == 6:
        return np.round(255 * points[..., 3:].clip(0, 1)).astype(np.uint8)
    low, high = heights_m
    share = (points[..., 2] - low) / max(high - low, 1e-6)
    return np.asarray(colormaps["viridis"](0.92 * share.clip(0, 1), bytes=True)[..., :3])


@contextmanager
def serving(port: int = 0) -> Iterator[viser.ViserServer]:
    """Run viser on the loopback interface alone, and stop it; port 0: the system chooses.

    Raises:
        InputError: The port is not free.
    """
    _check_free(port)
    logging.getLogger("websockets").setLevel(logging.WARNING)
    with redirect_stdout(io.StringIO()):  # It prints when it starts and stops.
        server = viser.ViserServer("127.0.0.1", port, verbose=False)
        try:
            yield server
        finally:
            server.stop()


def _check_free(port: int) -> None:
    """Find out whether a port can be had: viser would wait for ever for one that cannot."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise InputError(
                f"port={port} cannot be had ({error.strerror}); give another, or port=0 for one"
                " that is free"
            ) from error


def _look(server: viser.ViserServer, film: Film) -> None:
    """Look from where all is seen, on a grid of 10 cm; grey behind coloured points."""
    view = stand_back(film.clouds, list(film.cameras.values()))
    server.initial_camera.fov = np.deg2rad(FOVY_DEG)
    server.initial_camera.position, server.initial_camera.look_at = view.position, view.target
    floor = (*view.target[:2].round(1), float(film.clouds[..., 2].min()))
    side = np.ceil(1.4 * view.extent_m)
    server.scene.add_grid(
        "/grid",
        side,
        side,
        cell_size=0.1,
        cell_color=CELL_COLOUR,
        section_size=0.5,
        section_color=FRUSTUM_COLOUR,
        position=floor,
    )
    if film.clouds.shape[-1] == 6:  # They may be white, as the page is.
        server.scene.set_background_image(np.full((1, 1, 3), BEHIND_COLOUR, np.uint8))


def set_up(server: viser.ViserServer, film: Film) -> Callable[[Frame], None]:
    """Add cloud, cameras and path of a film to the scene; the result shows any frame of it."""
    _look(server, film)
    points = film.clouds[..., :3]
    size_m = 0.008 * stand_back(points).extent_m
    cloud = server.scene.add_point_cloud(
        "/cloud", points[0], film.colours[0], point_size=size_m, point_shape="circle"
    )
    frusta = {name: _add_camera(server, film, name) for name in film.cameras}
    plan = server.scene.add_line_segments(
        "/plan", np.zeros((1, 2, 3)), PATH_COLOUR, thickness=size_m, visible=False
    )

    if film.box is not None:
        edges = box_edges(film.box).astype(np.float32)
        server.scene.add_line_segments("/box", edges, BOX_COLOUR, thickness=0.3 * size_m)

    heights_m = film.heights_m

    def show(frame: Frame) -> None:
        cloud.points, cloud.colors = frame.cloud[:, :3], _colours(frame.cloud, heights_m)
        for name, picture in frame.pictures.items():
            frusta[name].image = picture
        path = frame.path
        plan.visible = path is not None
        if path is not None:
            plan.points = np.stack([path[:-1], path[1:]], axis=1).astype(np.float32)

    return show


def _add_camera(server: viser.ViserServer, film: Film, name: str) -> viser.CameraFrustumHandle:
    """Draw a camera's field of view, from the camera to a little before the points."""
    camera = film.cameras[name]
    pose = camera.world_from_camera
    view = stand_back(film.clouds)
    distance_m = float(np.linalg.norm(view.target - pose[:3, 3]))
    depth_m = np.clip(distance_m - 0.5 * view.extent_m, 0.25 * distance_m, 0.46 * distance_m)
    fx, fy, _, _ = camera.lens
    slope = 0.5 * camera.height / fy
    aspect = 0.5 * camera.width / fx / slope
    scale = depth_m * np.cbrt(slope * slope * aspect / 3)  # Viser sizes a frustum by its volume.
    return server.scene.add_camera_frustum(
        f"/camera {name}",
        fov=2 * float(np.arctan(slope)),
        aspect=aspect,
        scale=float(scale),
        thickness=0.003 * distance_m,
        cast_shadow=False,
        receive_shadow=False,
        color=FRUSTUM_COLOUR,
        image=film.pictures[name][0] if name in film.pictures else None,
        wxyz=viser.transforms.SO3.from_matrix(pose[:3, :3]).wxyz,
        position=pose[:3, 3],
    )
