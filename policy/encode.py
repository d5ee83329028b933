"""Encode every step of a store once: its cloud, by a planner's encoder, or the simulator's state.

    python policy/encode.py data=data/adroit-door.zarr checkpoint=outputs/adroit-door

Writes `data/visual_feature` beside the clouds. Training on it needs no clouds any more:
`policy/train.py pretrain.features=true encoder_from=<the same>`.

    python policy/encode.py data=data/adroit-door.zarr what=state

Writes `data/state_feature`, the simulator's own features, by acting the episodes again. A planner
that sees those and no cloud: `policy/train.py encoder=state_only`.
"""

import sys
from pathlib import Path

if __name__ == "__main__":  # As a script: import from the repository root, not from this folder.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from configs.command import script
from configs.command.following import follow
from policy.pretraining.encode_store import EncodeConfig, encode


@script("encode", EncodeConfig)
def main(config: EncodeConfig) -> None:
    """Encode."""
    encode(config)
    way = ["encoder=state_only"]
    if config.what == "visual":
        way = ["stage=pretrain", "pretrain.features=true", f"encoder_from={config.checkpoint}"]
    out = f"out=outputs/{config.data.stem}-features"
    follow(config.data, ("policy/train.py", f"data={config.data}", out, *way))


if __name__ == "__main__":
    main()
