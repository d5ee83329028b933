"""What is wrong with a camera, said before anything is drawn with it."""

import mujoco
import numpy as np

from envs.config import CameraConfig
from perception.errors import InputError


def check_camera(name: str, camera: CameraConfig) -> None:
    """Refuse a configured camera that MuJoCo would take and draw nonsense with.

    Raises:
        InputError: A number is not finite, the quaternion has no direction, or the field of view is
            not between 0 and 180 degrees.
    """
    key = f"env.cameras.{name}"
    if camera.position is not None and not np.isfinite(camera.position).all():
        raise InputError(f"{key}.position must be finite, not {camera.position}")
    if camera.quaternion is not None and not 1e-6 < np.linalg.norm(camera.quaternion) < np.inf:
        raise InputError(
            f"{key}.quaternion must be finite and not 0, not {camera.quaternion};"
            " [1, 0, 0, 0] looks straight down"
        )
    if camera.fovy_deg is not None and not 0 < camera.fovy_deg < 180:
        raise InputError(
            f"{key}.fovy_deg must lie between 0 and 180 degrees, not at {camera.fovy_deg}"
        )


def check_lens(model: mujoco.MjModel, name: str) -> None:
    """Refuse a model's own camera that is not described by its field of view.

    Raises:
        InputError: It is orthographic, or has a sensor with a principal point of its own.
    """
    index = model.camera(name).id
    if model.cam_orthographic[index] or model.cam_sensorsize[index].any():
        raise InputError(
            f"The camera {name!r} is orthographic or has a sensorsize: only pinholes with a fovy"
            " are drawn; choose another camera, or add one under env.cameras"
        )
