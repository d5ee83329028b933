"""robosuite itself, imported without OpenGL, without windows and without its notes."""

import importlib
import logging
import os
import sys
from copy import copy
from functools import cache
from types import ModuleType
from typing import Any

import mujoco

from perception.errors import InputError

WINDOW = "robosuite.utils.opencv_renderer"  # Imports cv2, which needs a libGL of the system's.
INSTALL = (
    "pip install -e '.[robosuite]' brings it, and"
    " `pip install --no-deps robosuite==1.5.1 termcolor` no more than what is used here"
)


@cache
def load() -> Any:  # noqa: ANN401 (robosuite has no types)
    """Import robosuite.

    It would take the graphics card for MuJoCo's OpenGL from here on, show pictures by OpenCV and
    say that files of its own are missing; nothing here draws with it.

    Raises:
        InputError: It is not installed, or something that it needs is not.
    """
    window = ModuleType(WINDOW)
    window.__dict__["OpenCVRenderer"] = None
    sys.modules.setdefault(WINDOW, window)
    logging.getLogger("robosuite_logs").addFilter(lambda note: note.levelno >= logging.ERROR)
    wanted = os.environ.get("MUJOCO_GL")
    try:
        robosuite = importlib.import_module("robosuite")
    except ImportError as error:
        raise InputError(f"env=robosuite needs {error.name or error}: {INSTALL}") from error
    finally:
        os.environ.pop("MUJOCO_GL", None)
        if wanted is not None:
            os.environ["MUJOCO_GL"] = wanted
    _compile_once()
    return robosuite


def _compile_once() -> None:
    """Compile each model once in a process, and none of the arm alone, for which nobody asks."""
    compiled = cache(mujoco.MjModel.from_xml_string)
    bindings: Any = importlib.import_module("robosuite.utils.binding_utils")
    bindings.MjSim.from_xml_string = classmethod(lambda kind, xml: kind(copy(compiled(xml))))
    robots: Any = importlib.import_module("robosuite.models.robots.robot_model")
    robots.RobotModel.set_mujoco_model = lambda _robot: None
