"""A film's scene served live by viser, on the loopback interface alone."""

import io
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout

import numpy as np
import viser
import viser.transforms
from jaxtyping import Float

from perception.errors import InputError
from visualizer.film import Film, Frame, colours_of
from visualizer.viewpoint import FOVY_DEG, stand_back

PATH_COLOUR = (214, 64, 69)
BEHIND_COLOUR = (195, 202, 212)
CELL_COLOUR = (178, 187, 200)
FRUSTUM_COLOUR = (120, 135, 158)
MARK_COLOURS = {"object": (224, 123, 26), "goal": (31, 157, 99)}
APART = 1.1  # From one scene to the next, in extents of a cloud.
BESIDE_BUTTONS = 0.25  # Of that: the middle of the view lies to the right, where the buttons are.


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


def beside(film: Film, place: int) -> Float[np.ndarray, " 3"]:
    """Give how far the scene of a place in a row is moved aside, in metres."""
    view = stand_back(film.clouds, list(film.cameras.values()))
    right = view.camera((2, 2)).world_from_camera[:3, 0]
    return np.asarray(APART * place * view.extent_m * right)


def look(server: viser.ViserServer, film: Film, scenes: int = 1) -> None:
    """Look from where a row of scenes is seen, on a grid of 10 cm; grey behind coloured points."""
    view = stand_back(film.clouds, list(film.cameras.values()))
    middle = view.target + beside(film, 1) * (scenes / 2 - BESIDE_BUTTONS)
    back = (view.position - view.target) * (1 + 0.8 * (scenes - 1))
    server.initial_camera.fov = np.deg2rad(FOVY_DEG)
    server.initial_camera.position, server.initial_camera.look_at = middle + back, middle
    side = np.ceil(1.4 * view.extent_m * scenes)
    server.scene.add_grid(
        "/grid",
        side,
        side,
        cell_size=0.1,
        cell_color=CELL_COLOUR,
        section_size=0.5,
        section_color=FRUSTUM_COLOUR,
        position=(*middle[:2].round(1), float(film.clouds[..., 2].min())),
    )
    if film.clouds.shape[-1] == 6:  # They may be white, as the page is.
        server.scene.set_background_image(np.full((1, 1, 3), BEHIND_COLOUR, np.uint8))


def set_up(
    server: viser.ViserServer, film: Film, name: str = "", place: int = 0
) -> Callable[[Frame], None]:
    """Add cloud, cameras, path and marks of a film to the scene; the result shows any frame of it.

    Args:
        server: Shows it.
        film: What there is to show.
        name: Stands over it; none, nothing does.
        place: In a row of scenes, counted from the left.
    """
    root, scene = f"/scene {place}", server.scene
    scene.add_frame(root, show_axes=False, position=beside(film, place))
    points = film.clouds[..., :3]
    view = stand_back(points)
    size_m = 0.008 * view.extent_m
    if name:
        above = (*view.target[:2], float(points[..., 2].max()) + 0.15 * view.extent_m)
        scene.add_label(f"{root}/name", name, position=above)
    cloud = scene.add_point_cloud(
        f"{root}/cloud", points[0], film.colours[0], point_size=size_m, point_shape="circle"
    )
    for camera in film.cameras:
        _add_camera(server, film, camera, root)
    plan = scene.add_line_segments(
        f"{root}/plan", np.zeros((1, 2, 3)), PATH_COLOUR, thickness=size_m, visible=False
    )
    marks = {mark: _add_mark(server, root, mark, size_m) for mark in film.marks}
    heights_m = film.heights_m

    def show(frame: Frame) -> None:
        cloud.points, cloud.colors = frame.cloud[:, :3], colours_of(frame.cloud, heights_m)
        for mark, position in frame.marks.items():
            marks[mark].position = position
        path = frame.path
        plan.visible = path is not None
        if path is not None:
            plan.points = np.stack([path[:-1], path[1:]], axis=1).astype(np.float32)

    return show


def _add_mark(server: viser.ViserServer, root: str, name: str, size_m: float) -> viser.FrameHandle:
    """Add a ball with a name, which can be moved."""
    mark = server.scene.add_frame(f"{root}/{name}", show_axes=False)
    colour = MARK_COLOURS.get(name, FRUSTUM_COLOUR)
    server.scene.add_icosphere(
        f"{root}/{name}/ball", 1.5 * size_m, colour, opacity=0.6, cast_shadow=False
    )
    server.scene.add_label(f"{root}/{name}/name", name, font_screen_scale=0.8)
    return mark


def _add_camera(server: viser.ViserServer, film: Film, name: str, root: str) -> None:
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
    server.scene.add_camera_frustum(
        f"{root}/camera {name}",
        fov=2 * float(np.arctan(slope)),
        aspect=aspect,
        scale=float(scale),
        thickness=0.003 * distance_m,
        cast_shadow=False,
        receive_shadow=False,
        color=FRUSTUM_COLOUR,
        wxyz=viser.transforms.SO3.from_matrix(pose[:3, :3]).wxyz,
        position=pose[:3, 3],
    )
