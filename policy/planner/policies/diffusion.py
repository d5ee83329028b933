"""The diffusion planner (SODP, Section 3.1); DP3 and Diffusion Policy are this, by other keys."""

from policy.planner.config import PlannerConfig as Config
from policy.planner.config import Sizes
from policy.planner.planner import Planner

__all__ = ["Config", "make"]


def make(config: Config, sizes: Sizes) -> Planner:
    """Make a planner without weights that mean anything."""
    return Planner(config, sizes)
