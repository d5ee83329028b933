"""Keys that change nothing in what a command does: said by name instead of passed over."""

from collections.abc import Iterable, Mapping, Sequence

from perception.errors import InputError

OF_THE_PLANNER = ("planner", "plans", "denoiser", "encoder", "pretrain", "encoder_from", "data")
OF_RESULTS = ("variant", "results", "traces")


def typed_keys(overrides: Iterable[str]) -> list[str]:
    """Name the keys that a command line gives."""
    return [text.lstrip("+~").partition("=")[0] for text in overrides]


def is_below(key: str, group: str) -> bool:
    """Tell whether a key is a group's, or chooses it."""
    return key == group or key.startswith(f"{group}.")


def idle_in_training(
    keys: Iterable[str], *, stage: str, init_from: bool, experiment: bool
) -> dict[str, str]:
    """Find the keys of `train.py` that change nothing; give the reason of each.

    Args:
        keys: What the command line gives.
        stage: Of the command.
        init_from: Whether it starts from a planner of another run.
        experiment: Whether its evaluations are kept under results.
    """
    reasons: dict[str, str] = {}
    if init_from:
        reasons |= dict.fromkeys(OF_THE_PLANNER, "with init_from=, whose planner is taken as it is")
    if stage in ("pretrain", "zero_shot"):
        reasons["finetune"] = f"with stage={stage}, which does not fine-tune"
    if not experiment:
        reasons |= dict.fromkeys(OF_RESULTS, "without experiment=<a name>")
    return {
        key: reason for key in keys for group, reason in reasons.items() if is_below(key, group)
    }


def idle_in_viewing(keys: Iterable[str], *, live: bool) -> dict[str, str]:
    """Find the keys of `view.py` that change nothing; give the reason of each."""
    idle = {"out", "episodes", "size"} if live else {"port", "beside"}
    reason = f"with{'' if live else 'out'} live=true"
    return {key: reason for key in keys if key in idle}


def refuse_idle(idle: Mapping[str, str]) -> None:
    """Refuse keys that change nothing, those of the first reason by name.

    Raises:
        InputError: There are some.
    """
    for reason in dict.fromkeys(idle.values()):
        names = [key for key, why in idle.items() if why == reason]
        verb, them = ("has", "it") if len(names) == 1 else ("have", "them")
        raise InputError(f"{', '.join(names)} {verb} no effect {reason}: leave {them} out")


def without_idle(overrides: Sequence[str], idle: Mapping[str, str]) -> list[str]:
    """Leave the overrides of such keys out."""
    pairs = zip(overrides, typed_keys(overrides), strict=True)
    return [text for text, key in pairs if key not in idle]
