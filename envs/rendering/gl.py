"""Depth and RGB by MuJoCo's own OpenGL renderer: EGL or OSMesa, whichever works.

Needed for textured, lit pictures, and as the oracle of `zbuffer.py`; nothing else needs OpenGL.
"""

import importlib
import logging
import os
import subprocess
import sys
from functools import cache

import mujoco
import numpy as np
from jaxtyping import Float, UInt8

from perception.errors import InputError
from perception.point_cloud import APT_LINE

BACKENDS = ("egl", "osmesa")
PROBE = "import mujoco.{0} as gl; gl.GLContext(16, 16).make_current()"


@cache
def choose_backend() -> str:
    """Choose an OpenGL back-end that can draw without a screen, for this process and its children.

    Each is tried in a process of its own, because one that fails spoils the next. `MUJOCO_GL`, if
    set to one of them, is the only one tried.

    Raises:
        InputError: None works; the message names the packages that are missing.
    """
    wanted = os.environ.get("MUJOCO_GL", "")
    reasons = []
    for backend in [wanted] if wanted in BACKENDS else BACKENDS:
        platform = {"MUJOCO_GL": backend, "PYOPENGL_PLATFORM": backend}
        attempt = subprocess.run(
            [sys.executable, "-c", PROBE.format(backend)],
            env={**os.environ, **platform},
            capture_output=True,
            text=True,
            check=False,
        )
        if attempt.returncode == 0:
            os.environ.update(platform)
            logging.getLogger("OpenGL").setLevel(
                logging.WARNING
            )  # It tells what it can do without.
            # MuJoCo chooses when it is imported; here the choice is made at the first picture.
            context = importlib.import_module(f"mujoco.{backend}").GLContext
            mujoco.gl_context.GLContext = context
            return backend
        reasons.append(f"{backend}: {(attempt.stderr.strip().splitlines() or ['it crashed'])[-1]}")
    raise InputError(f"No OpenGL here ({'; '.join(reasons)}). {APT_LINE}")


class GLRenderer:
    """MuJoCo's renderer for one model and one image size, shadows and multisampling off.

    Args:
        model: The model; its buffer is made large enough for the image.
        width: Of the image, in pixels.
        height: Of the image, in pixels.
        two_sided: Whether faces are drawn from behind too; MuJoCo itself leaves them out.
    """

    def __init__(
        self, model: mujoco.MjModel, width: int, height: int, *, two_sided: bool = True
    ) -> None:
        choose_backend()
        model.vis.global_.offwidth = max(width, model.vis.global_.offwidth)
        model.vis.global_.offheight = max(height, model.vis.global_.offheight)
        model.vis.quality.offsamples = 0
        model.vis.quality.shadowsize = 0
        self._renderer = mujoco.Renderer(model, height, width)
        self._renderer.scene.flags[mujoco.mjtRndFlag.mjRND_CULL_FACE] = not two_sided
        self._far_m = model.vis.map.zfar * model.stat.extent

    def depth(self, data: mujoco.MjData, camera: str) -> Float[np.ndarray, "height width"]:
        """Draw depth along the optical axis in metres (0 where nothing was hit)."""
        self._renderer.enable_depth_rendering()
        self._renderer.update_scene(data, camera)
        depth = self._renderer.render().copy()
        self._renderer.disable_depth_rendering()
        depth[depth > 0.999 * self._far_m] = 0
        return np.asarray(depth)

    def rgb(self, data: mujoco.MjData, camera: str) -> UInt8[np.ndarray, "height width 3"]:
        """Draw a lit and textured picture."""
        self._renderer.update_scene(data, camera)
        return np.array(self._renderer.render())
