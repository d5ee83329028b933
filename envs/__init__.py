"""Worlds: simulated tasks behind one interface, their exact state, and how they are seen."""

import os

from farama_notifications import notifications

# gymnasium-robotics would print at each import that its Adroit rewards changed sign without a new
# version; `envs.adroit.simulator` puts the sign right.
notifications.pop("gymnasium_robotics", None)

# MuJoCo loads the OpenGL that MUJOCO_GL names when it is imported, and fails where that is missing.
# Nothing here needs OpenGL until somebody asks for a picture of it, so hold the name back.
_wanted = os.environ.pop("MUJOCO_GL", None)
import mujoco  # noqa: E402, F401

if _wanted is not None:
    os.environ["MUJOCO_GL"] = _wanted
