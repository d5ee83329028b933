"""Serve a planner to robots and cameras in other processes.

    python policy/rollouts/serve.py checkpoint=outputs/adroit-door

Without checkpoint= it takes the newest run under outputs/. A client sends depth images, intrinsics,
poses and the robot's state over WebSocket, and gets chunks of actions: clients/sodp_client.py is
one file for the robot's own process (docs/deploy.md). Only this machine is served, unless host=
and token_file= say otherwise.
"""

import sys
from pathlib import Path

if __name__ == "__main__":  # As a script: import from the repository root, not from this folder.
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from configs.command import script
from policy.rollouts.server import ServeConfig, serve


@script("cameras/serve", ServeConfig)
def main(config: ServeConfig) -> None:
    """Serve."""
    serve(config)


if __name__ == "__main__":
    main()
