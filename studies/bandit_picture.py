"""Draw what each term does to a bandit of two modes: `python -m studies.bandit_picture`.

Writes `docs/pictures/bandit.png` and its shares, `results/how-it-works/bandit.json`, in a minute.
"""

import json

import numpy as np
import torch

from policy.finetuning.terms import pl, ppo
from policy.finetuning.terms.term import TermConfig
from policy.reports.result import ROOT
from tests.helpers import bandit
from visualizer.plots import FAILURE, GRID, INK, SUCCESS, dress, new_figure, to_png

PL: dict[str, TermConfig] = {**bandit.PPO, "pl": pl.Config("pl", weight=10.0)}
CLONING: dict[str, TermConfig] = {**bandit.BC, "ppo": ppo.Config("ppo", weight=0.0, clip=0.02)}
FOLDER = ROOT / "results" / "how-it-works"


def main() -> None:
    """Train, count and draw."""
    torch.set_num_threads(1)
    before = bandit.pretrained()
    planners = {
        "pre-trained": before,
        "bc": bandit.finetuned(before, bandit.BC),
        "bc alone": bandit.finetuned(before, CLONING),
        "kl": bandit.finetuned(before, bandit.KL),
        "pl": bandit.finetuned(before, PL),
        "none": bandit.finetuned(before, bandit.PPO),
    }
    actions = {name: bandit.first_actions(planner).numpy() for name, planner in planners.items()}
    FOLDER.mkdir(parents=True, exist_ok=True)
    (ROOT / "docs/pictures/bandit.png").write_bytes(picture(actions))
    shares = {name: round(float((found > 0).mean()), 3) for name, found in actions.items()}
    told = {
        "share_in_the_better_mode": shares,
        "samples": 1000,
        "command": f"python -m {__spec__.name}",
    }
    (FOLDER / "bandit.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


def picture(actions: dict[str, np.ndarray]) -> bytes:
    """Draw a histogram of first actions for each planner; the better mode is green."""
    figure = new_figure(2.0 * len(actions), 2.4)
    panels = figure.subplots(1, len(actions), sharex=True, sharey=True)
    bins = np.linspace(-1, 1, 61)
    for axes, (name, found) in zip(panels, actions.items(), strict=True):
        axes.hist(found[found > 0], bins, color=SUCCESS)
        axes.hist(found[found <= 0], bins, color=FAILURE)
        axes.set_title(f"{name}: {(found > 0).mean():.0%}", fontsize=9, color=INK, loc="left")
        axes.axvline(0, color=GRID, linewidth=0.8)
        dress(axes, "first action")
    panels[0].set_ylabel("of 1,000 plans", fontsize=8, color=INK)
    return to_png(figure)


if __name__ == "__main__":
    main()
