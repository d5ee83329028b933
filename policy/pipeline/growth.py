"""How a command agrees with the folder of its run: what may differ, grow, or come anew."""

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from shutil import copyfile
from typing import Any

import yaml

from configs.build import build, differences
from configs.files import write_text_whole
from envs.config import EnvConfig, read_env
from perception.errors import InputError
from policy.finetuning.config import FinetuneConfig
from policy.pipeline.checks import FINETUNING, PRETRAINING
from policy.pipeline.config import Recipe, TrainConfig
from policy.pipeline.identity import identity, resolved
from policy.planner.building import policy_config
from policy.pretraining.config import PretrainConfig
from policy.rollouts.evaluation_file import FILE, forget_evaluation
from policy.runs.idle_keys import is_below, typed_keys
from policy.runs.run import CONFIG, Run, as_yaml_knows, has_begun, read_config

logger = logging.getLogger(__name__)

Values = dict[str, Any]


def _read_finetune(values: Values) -> FinetuneConfig:
    """Read how to fine-tune from a run's file, where inlined keys have a level of their own."""
    algorithm = dict(values["algorithm"])
    inlined = algorithm.pop("minibatch", {})
    return build(FinetuneConfig, {**values, "algorithm": {**algorithm, **inlined}})


SECTIONS: dict[str, Callable[[Values], Any]] = {
    "planner": policy_config,
    "pretrain": partial(build, PretrainConfig),
    "finetune": _read_finetune,
}
OF_PRETRAINING = ("planner", "pretrain", "encoder_from", "stores", "made_by")
PLACES = {"denoiser": "planner.denoiser", "encoder": "planner.encoder"}
GROWING = {"pretrain": "steps", "finetune": "episodes"}


def open_run(config: TrainConfig, recipe: Recipe, env: EnvConfig | None) -> Run:
    """Open the folder of a run, with what a command may change in it.

    `pretrain.steps` and `finetune.episodes` may grow; how to fine-tune is open until that has
    begun; a folder where nothing was learned is taken for a new run.

    Raises:
        InputError: The folder belongs to another run, or a number that may only grow is lowered.
    """
    wanted = as_yaml_knows(identity(config, recipe, env))
    there = read_config(config.out)
    if there is not None and (has_begun(config.out) or not there.get("about")):
        wanted = _agreed(config, upgraded(there, wanted), wanted)
    if there is not None and there.get("about") and there != wanted:
        write_text_whole(config.out / CONFIG, yaml.safe_dump(wanted))
    return Run(config.out, wanted, config.keeping)


def _agreed(config: TrainConfig, there: Values, wanted: Values) -> Values:
    """Give the configuration that the run goes on with.

    Raises:
        InputError: It belongs to another run.
    """
    out, stage = config.out, config.stage
    tuned = has_begun(out, "finetune")
    if not tuned:
        there["finetune"] = wanted["finetune"]
    if stage not in FINETUNING:
        wanted["finetune"] = there["finetune"]
    if "pretrain" in there:  # Where its data is read from changes nothing.
        there["pretrain"] = {**there["pretrain"], "memory": wanted["pretrain"]["memory"]}
    if stage not in PRETRAINING:
        _refuse_other_planner(config, there, wanted)
        wanted |= {name: there[name] for name in OF_PRETRAINING if name in there}
    grown = [name for name, key in GROWING.items() if _grows(out, there, wanted, name, key)]
    changes = "; ".join(differences(there, wanted))
    if changes:
        raise InputError(f"{out} belongs to another configuration ({changes}); choose another out=")
    for name in grown:
        forget_evaluation(out, name)
    return wanted


def _grows(out: Path, there: Values, wanted: Values, section: str, key: str) -> bool:
    """Tell whether a number has grown since; the run then goes on to the new one.

    Raises:
        InputError: It was lowered.
    """
    before, now = there.get(section, {}).get(key), wanted[section][key]
    if before is None or before == now:
        return False
    if now < before:
        raise InputError(
            f"{section}.{key}={now}: {out} was made with {before}. It can be raised, not lowered;"
            " choose another out="
        )
    logger.info("%s.%s %d -> %d: %s goes on from there", section, key, before, now, out)
    there[section] = {**there[section], key: now}
    if section == "pretrain" and has_begun(out, "finetune"):
        set_aside(out, before)
        there["finetune"] = wanted["finetune"]
    return True


def set_aside(out: Path, steps: int) -> None:
    """Move what was fine-tuned from a planner that now learns on into a run folder of its own."""
    aside = out / f"pretrained-{steps}-steps"
    (aside / "checkpoints").mkdir(parents=True, exist_ok=True)
    for name in (CONFIG, FILE):
        if (out / name).exists() and not (aside / name).exists():
            copyfile(out / name, aside / name)
    learned = [out / "checkpoints" / "best.safetensors", *(out / "checkpoints").glob("finetune*")]
    for path in filter(Path.exists, [*out.glob("finetune*.jsonl"), *learned]):
        path.rename(aside / path.relative_to(out))
    logger.info("what was fine-tuned after %d steps is kept in %s", steps, aside)


def _refuse_other_planner(config: TrainConfig, there: Values, wanted: Values) -> None:
    """Refuse keys of pre-training where it is over, if they differ from what the planner is.

    Raises:
        InputError: They do.
    """
    for key in typed_keys(config.task.overrides):
        top = key.partition(".")[0]
        place = PLACES.get(top, top) + key.removeprefix(top)
        if key == "data":
            place = "stores"
        if any(is_below(place, name) for name in OF_PRETRAINING):
            made, asked = (_at(values, place) for values in (there, wanted))
            if made != asked:
                raise InputError(
                    f"{key} has no effect with stage={config.stage}: the planner of {config.out}"
                    f" was made with {made}, not {asked}; leave it out"
                )


def _at(values: Values, place: str) -> Any:  # noqa: ANN401
    """Give what stands at a dotted key; of stores, which they are."""
    found: Any = values
    for part in place.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return sorted(found or {}) if place == "stores" else found


def upgraded(there: Values, wanted: Values) -> Values:
    """Bring a written configuration into today's form: keys younger than it have their defaults."""
    there = resolved(there)
    for name, read in SECTIONS.items():
        with suppress(InputError, KeyError):
            there[name] = as_yaml_knows(asdict(read(there[name])))
    about = there.get("about", {})
    with suppress(InputError, KeyError):
        there["about"] = {**about, "env": as_yaml_knows(asdict(read_env(about["env"])))}
    there.setdefault("temperature", None)
    for name in ("made_by", "starts_from"):
        there.setdefault(name, wanted[name])
    stores = there.get("stores") or {}
    for path, now in wanted["stores"].items():
        if stores.get(path) and now:
            stores[path] = {**now, **stores[path]}
    return there
