"""Keys of the command line that have another name now: understood, and said so in one line."""

import logging
from collections.abc import Iterator, Sequence

logger = logging.getLogger(__name__)

# By script; `*` is every script. An old key, or an old key with its value, and what it is now.
RENAMED = {
    "*": {
        "env.history": "planner.history",
        "env.horizon": "planner.horizon",
        "env.chunk": "planner.chunk",
    },
    "train": {
        "checkpoint": "init_from",
        "stage=start": "stage=zero_shot",
        "env.view.sees=state": "encoder=state_only",
        "finetune.from_each_start": "finetune.group_size",
        "finetune.weight": "finetune.advantage",
        "finetune.objective.batch": "finetune.algorithm.batch",
        "finetune.objective.encoder": "finetune.algorithm.encoder",
        "finetune.objective.floor": "finetune.algorithm.min_std",
        "finetune.objective.ratio": "finetune.algorithm.reduction",
        "finetune.objective.clip": "finetune.algorithm.terms.ppo.clip",
        "finetune.objective.improvement": "finetune.algorithm.terms.ppo.weight",
        "finetune.objective.regulariser=bc": "finetune=ppo_bc",
        "finetune.objective.regulariser=kl": "finetune=ppo_kl",
        "finetune.objective.regulariser=pl": "finetune=ppo_pl",
        "finetune.objective.regulariser=none": "finetune=ppo",
    },
    "collect": {"env.view.sees=state": "points=0"},
}
OBJECTIVE = "finetune.objective."
REGULARISER = f"{OBJECTIVE}regulariser="


def as_named_now(script: str, overrides: Sequence[str]) -> list[str]:
    """Give the overrides of a command with today's keys."""
    renamed = {**RENAMED["*"], **RENAMED.get(script, {})}
    if "pretrain.features=true" in overrides:  # It named the encoder then.
        renamed["checkpoint"] = "encoder_from"
    chosen = [t.removeprefix(REGULARISER) for t in overrides if t.startswith(REGULARISER)]
    weight = f"finetune.algorithm.terms.{(chosen or ['bc'])[0]}.weight"
    renamed["finetune.objective.regularisation"] = weight
    now = list(_named_now(renamed, overrides))
    if chosen == ["kl"] and not any(text.startswith(weight) for text in now):
        now.append(f"{weight}=10")  # Its default then; that of finetune=ppo_kl is the paper's.
    if any(t.startswith(OBJECTIVE) for t in overrides) and not any(map(_chooses, now)):
        now.append("finetune=ppo_bc")  # The default then.
    return now


def _chooses(text: str) -> bool:
    return text.startswith("finetune=")


def _named_now(renamed: dict[str, str], overrides: Sequence[str]) -> Iterator[str]:
    for text in overrides:
        key, equals, value = text.partition("=")
        now = renamed.get(text) or (f"{renamed[key]}{equals}{value}" if key in renamed else text)
        if now != text:
            logger.warning("%s is now %s", text, now)
        yield now
