"""Train a network of your own on a store, with Torch alone: put yours in place of `Cloner`.

python examples/own_training_loop.py data/adroit-door.zarr
"""

import logging
import sys
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # As a script: import from the repository root, not from this folder.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from datasets.collection.window_dataset import WindowDataset

EPOCHS, BATCH = 10, 32


class Cloner(nn.Module):
    """From the last cloud and robot state to the actions of a whole window, by regression."""

    def __init__(self, window: dict[str, Any]) -> None:
        super().__init__()
        points, state = window["obs"]["point_cloud"], window["obs"]["agent_pos"]
        self.each_point = nn.Sequential(nn.Linear(points.shape[-1], 64), nn.ReLU())
        self.plan = nn.Linear(64 + state.shape[-1], window["action"].numel())

    def forward(self, seen: dict[str, Tensor]) -> Tensor:
        """Plan (batch, horizon * action) from clouds and robot states, each (batch, history, …)."""
        cloud = self.each_point(seen["point_cloud"][:, -1]).amax(dim=1)  # As PointNet does.
        planned: Tensor = self.plan(torch.cat([cloud, seen["agent_pos"][:, -1]], dim=-1))
        return planned


def main(store: Path) -> None:
    """Learn for some epochs."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    # With cache="a folder", a store may be larger than memory.
    dataset = WindowDataset([store], history=2, horizon=4, chunk=3)
    loader = DataLoader(
        dataset, batch_size=BATCH, shuffle=True, num_workers=2, persistent_workers=True
    )
    network = Cloner(dataset[0])
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    for epoch in range(EPOCHS):
        for batch in loader:
            loss = nn.functional.mse_loss(network(batch["obs"]), batch["action"].flatten(1))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        logging.info("epoch %d of %d, loss %.4f", epoch + 1, EPOCHS, loss.item())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
