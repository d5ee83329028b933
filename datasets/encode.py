"""Encode every cloud of a store once, by a planner's eye.

    python datasets/encode.py data=data/adroit-door.zarr checkpoint=<planner.safetensors>

Writes `data/visual_feature` beside the clouds. Training on it needs no clouds any more:
`policy/train.py pretrain.features=true checkpoint=<the same>`.
"""

import sys
from pathlib import Path

if __name__ == "__main__":  # As a script: import from the repository root, not from this folder.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from configs.schema import script
from policy.encoding import EncodeConfig, encode


@script("encode", EncodeConfig)
def main(config: EncodeConfig) -> None:
    """Encode."""
    encode(config)


if __name__ == "__main__":
    main()
