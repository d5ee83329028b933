"""Act recorded episodes again and count the steps that come out the same.

    python tests/robustness/replay.py data/adroit-door.zarr data/metaworld-push.zarr ...

Of each store, episodes drawn at random are acted again from their recorded starts until a thousand
steps are compared, bit for bit: the scene's state before the action, reward and success after it.
Writes results/robustness/replay.json.
"""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # As a script: import from the repository root, not from this folder.
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import numpy as np

from datasets.store.store import EpisodeStore
from policy.reports.result import ROOT, machine
from tests.helpers.replaying import replay_episode

STEPS = 1000
OUT = ROOT / "results/robustness/replay.json"


def check(path: Path) -> dict[str, Any]:
    """Act enough episodes of a store again."""
    store = EpisodeStore.open(path)
    compared: list[np.ndarray] = []
    for index in np.random.default_rng(0).permutation(store.episodes):
        compared.append(replay_episode(store, int(index)))
        if sum(map(len, compared)) >= STEPS:
            break
    same = np.concatenate(compared)
    return {
        "store": path.name,
        "task": store.attributes["task"],
        "behaviour": store.attributes["identity"]["behaviour"]["name"],
        "episodes": len(compared),
        "steps": len(same),
        "same": int(same.sum()),
    }


def main() -> None:
    """Check the stores of the command line."""
    told = {
        "command": f"python tests/robustness/replay.py {' '.join(sys.argv[1:])}",
        "machine": machine(),
        "date": datetime.now(UTC).date().isoformat(),
        "stores": [check(Path(path)) for path in sys.argv[1:]],
    }
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(told, indent=2) + "\n")
    for row in told["stores"]:
        sys.stdout.write(f"{row['store']}: {row['same']} of {row['steps']} steps the same\n")


if __name__ == "__main__":
    main()
