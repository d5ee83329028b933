"""What the cameras of a task see at the start of an episode: numbers, a picture and a page."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from configs.files import write_text_whole, write_whole
from configs.ranges import CloudPoints, Output, Seed
from envs.config import EnvConfig, with_view
from envs.make import make_scene, make_simulator
from envs.rendering.camera_checks import check_lens
from envs.rendering.scene import Scene
from envs.simulator import REST, ROLES, Roles, Simulator, Watched
from perception.errors import InputError
from perception.point_cloud import Box, View, cropped, sampled
from visualizer import pages
from visualizer.camera_sheet import Sight, camera_sheet
from visualizer.film import Film
from visualizer.film_part import TO_TURN, film_part
from visualizer.pages import Html

logger = logging.getLogger(__name__)

ALL = "all"
PICTURE_PX = 320
HALF_S = 2.0  # Frames per second of a film of one frame.


@dataclass(frozen=True)
class LookConfig:
    """What to look at; every key is explained in configs/scripts/cameras/look.yaml."""

    env: EnvConfig
    camera: tuple[str, ...] | None
    seed: Seed
    out: Output
    points: CloudPoints | None
    cameras: tuple[str, ...] | None
    colour: bool | None


@dataclass(frozen=True)
class Looked:
    """What a camera sees, and what of it matters.

    Attributes:
        sight: To be drawn.
        seen: Pixels with a depth.
        kept: Points in the crop box.
        on: Of `hand`, `object` and `goal`: points in the box, and of the cloud; by their names.
    """

    sight: Sight
    seen: int
    kept: int
    on: dict[str, tuple[int, int]]

    @property
    def in_words(self) -> str:
        """Say it in one line."""
        lying = ", ".join(f"{cloud} on the {name}" for name, (_, cloud) in self.on.items())
        share = self.kept / max(self.seen, 1)
        said = f"{self.kept:,} of {self.seen:,} points ({share:.1%}) in the crop box"
        of_them = f"; of {len(self.sight.cloud)} points of a cloud, {lying}"
        return f"camera {self.sight.name}: {said}{of_them if lying else ''}"


def look(config: LookConfig) -> None:
    """Write the page, and the picture beside it; or list the cameras where none is named.

    Raises:
        InputError: There is no such camera, or it is no pinhole.
    """
    env = with_view(config.env, config.points, config.cameras, config.colour)
    simulator = make_simulator(env)
    scene = make_scene(simulator, env)
    names = wanted(scene, config.camera or config.cameras)
    if not names:
        there = ", ".join(cameras_of(scene))
        logger.info("%s has the cameras %s: give camera=<name>, or camera=all", env.name, there)
        return
    simulator.reset(config.seed)
    scene.put(simulator.scene_state())
    looked = [look_with(scene, simulator, name) for name in names]
    for one in looked:
        logger.info("%s", one.in_words)
    box = Box(env.view.crop_low, env.view.crop_high)
    sheet = camera_sheet([one.sight for one in looked], box)
    picture = config.out.with_suffix(".png")
    write_whole(picture, lambda aside: aside.write_bytes(sheet))
    write_text_whole(config.out, page(env, looked, sheet, box))
    logger.info("look at %s, or %s", config.out, picture)


def cameras_of(scene: Scene) -> list[str]:
    """Name the cameras that a scene has."""
    names = [scene.model.camera(index).name for index in range(scene.model.ncam)]
    return [name for name in names if name]


def wanted(scene: Scene, said: Sequence[str] | None) -> list[str]:
    """Name the cameras to look through.

    Raises:
        InputError: One is not there, or is no pinhole.
    """
    there = cameras_of(scene)
    if said is not None and list(said) == [ALL]:
        return [name for name in there if _is_pinhole(scene, name)]
    for name in said or ():
        if name not in there:
            raise InputError(
                f"There is no camera {name}; choose one of {', '.join(there)}, or all (a new one:"
                " '+env.cameras.NAME={position: [x,y,z], quaternion: [w,x,y,z], fovy_deg: 45}')"
            )
        check_lens(scene.model, name)
    return list(dict.fromkeys(said or ()))


def _is_pinhole(scene: Scene, name: str) -> bool:
    try:
        check_lens(scene.model, name)
    except InputError as error:
        logger.info("left out: %s", error)
        return False
    return True


def look_with(scene: Scene, simulator: Simulator, name: str) -> Looked:
    """See what one camera sees of the scene as it stands."""
    (seen,) = scene.look([name])
    picture = scene.picture(name, (PICTURE_PX, PICTURE_PX))
    points = _in_box(seen, scene)
    sight = Sight(name, seen.camera, seen.depth_m, _cloud(points, scene), picture)
    on: dict[str, tuple[int, int]] = {}
    if isinstance(simulator, Watched):
        roles = simulator.roles()
        (labelled,) = scene.look_for([name], roles)
        shown = _in_box(labelled, scene)
        on = _on_each(shown, _cloud(shown, scene), roles)
    return Looked(sight, int((seen.depth_m > 0).sum()), len(points), on)


def _in_box(seen: View, scene: Scene) -> Float[np.ndarray, "point axis"]:
    view = scene.view
    return cropped([seen], Box(view.crop_low, view.crop_high), geometry=view.geometry)


def _cloud(points: Float[np.ndarray, "point axis"], scene: Scene) -> Float[np.ndarray, "few axis"]:
    """Make the cloud of one camera; an empty one where it sees nothing in the box."""
    if not len(points):
        return points
    return sampled(points, scene.view.points, sampling=scene.view.sampling)


def _on_each(
    shown: Float[np.ndarray, "point 6"], cloud: Float[np.ndarray, "few 6"], roles: Roles
) -> dict[str, tuple[int, int]]:
    """Count points on hand, object and goal: of all in the box, and of the cloud."""
    there = np.union1d(roles.bodies, roles.sites)
    of_all, of_cloud = (_roles_of(points) for points in (shown, cloud))
    return {
        name: (int((of_all == role).sum()), int((of_cloud == role).sum()))
        for role, name in enumerate(ROLES)
        if role != REST and role in there
    }


def _roles_of(points: Float[np.ndarray, "point 6"]) -> UInt8[np.ndarray, " point"]:
    """Read roles from where `Scene.look_for` puts them."""
    return np.asarray(np.round(points[:, 3] * 255), np.uint8)


def page(env: EnvConfig, looked: Sequence[Looked], sheet: bytes, box: Box) -> str:
    """Put it on one page."""
    view = env.view
    text = (
        f"What cameras of {env.name} see at the start of an episode, in pictures of"
        f" {view.image_size} x {view.image_size} pixels. The crop box reaches from {box.low} to"
        f" {box.high} (world frame, metres); a cloud has {view.points} points."
    )
    caption = "Red: the crop box. What lies outside of it is grey, and no part of the cloud."
    parts = [
        pages.paragraph(text),
        _table(looked),
        pages.figure(sheet, caption),
        *([_film(looked, box)] if any(one.kept for one in looked) else []),
    ]
    return pages.page(f"{env.name}: its cameras", parts)


def _table(looked: Sequence[Looked]) -> Html:
    roles = list(looked[0].on)
    header = ["camera", "stands at, metres", "points", "in the box", *roles]
    rows = []
    for one in looked:
        place = ", ".join(f"{part:.3f}" for part in one.sight.camera.world_from_camera[:3, 3])
        kept = f"{one.kept:,} ({one.kept / max(one.seen, 1):.1%})"
        on = [f"{box:,} / {cloud:,}" for box, cloud in (one.on[name] for name in roles)]
        rows.append([one.sight.name, place, one.seen, kept, *on])
    if not roles:
        return pages.table(header, rows)
    counted = f"Points {', '.join(f'on the {role}' for role in roles)}: in the box / of the cloud."
    return pages.together(pages.table(header, rows), pages.paragraph(counted))


def _film(looked: Sequence[Looked], box: Box) -> Html:
    sights = [one.sight for one in looked]
    film = Film(
        np.concatenate([sight.cloud for sight in sights])[None],
        {sight.name: sight.camera for sight in sights},
        HALF_S,
        pictures={s.name: s.picture[None] for s in sights if s.picture is not None},
        box=box,
        depths_m={s.name: s.depth_m[None] for s in sights if len(sights) == 1},
    )
    caption = f"The clouds of all cameras shown, where these stand, and the box in red. {TO_TURN}"
    return pages.together(pages.heading("In space"), film_part(film, caption))
