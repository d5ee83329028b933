"""From a command line to `main`: Hydra, one-line errors, suites."""

import errno
import inspect
import logging
import os
import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from configs.build import ConfigT, build, choosable, keys
from configs.kinds import kinds
from configs.renamed import as_named_now
from configs.stopping import StoppedError
from perception.errors import InputError

CONFIGS = Path(__file__).resolve().parent
SCRIPTS = "scripts"  # The folder of each script's own values; the others are groups.
MOVED = {"behaviour=planner": "policy/record.py records a planner"}
MACHINE_ERRORS = (  # What a user can mend: space, permission, something in the way, a disk.
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST,
    errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EIO,
)  # fmt: skip


def compose(schema: type[ConfigT], config_name: str, overrides: list[str]) -> ConfigT:
    """Compose a script's configuration from Python, as its command line would."""
    overrides = as_named_now(config_name, overrides)
    return _filled(schema, _compose(f"{SCRIPTS}/{config_name}", overrides), overrides)


def _compose(config_name: str | None, overrides: list[str]) -> DictConfig:
    """Compose, also within a script that Hydra runs (it allows one initialisation at a time)."""
    overrides = with_foreign_kinds(overrides)
    if GlobalHydra.instance().is_initialized():
        return hydra.compose(config_name, overrides)
    with hydra.initialize_config_dir(str(CONFIGS), version_base=None):
        return hydra.compose(config_name, overrides)


def compose_part(
    schema: type[ConfigT], group: str, choice: str, overrides: list[str] | None = None
) -> ConfigT:
    """Compose one group alone, e.g. a task: `compose_part(EnvConfig, "env", "adroit-door")`."""
    if choice not in options(group):
        raise InputError(f"{group}={choice} is unknown; choose one of {', '.join(options(group))}")
    cfg = _compose(None, [f"+{group}={choice}", *(overrides or [])])
    return build(schema, _plain(cfg)[group])


def script(
    config_name: str, schema: type[ConfigT]
) -> Callable[[Callable[[ConfigT], None]], Callable[[], None]]:
    """Turn `main(config)` into a command: Hydra overrides, a true `--help`, one-line errors.

    Bad input ends with one line on standard error and exit code 2. A suite (an `env` that names
    others) runs `main` once for each of its members.
    """
    path = f"{SCRIPTS}/{config_name}"

    def decorate(main: Callable[[ConfigT], None]) -> Callable[[], None]:
        def entry() -> None:
            if {"--help", "-h"} & set(sys.argv[1:]):
                sys.stdout.write(_help(path, schema, inspect.getmodule(main)))
                return
            logging.basicConfig(level=logging.INFO, format="%(message)s", force=True)
            sys.argv[1:] = as_named_now(config_name, sys.argv[1:])
            os.environ["HYDRA_FULL_ERROR"] = "1"  # Raise, so that the line below is ours.
            sys.argv[1:] = with_foreign_kinds(sys.argv[1:])
            command = hydra.main(version_base=None, config_path=str(CONFIGS), config_name=path)
            try:
                command(partial(_run, main, schema, path))()
            except (HydraException, OmegaConfBaseException) as error:
                _stop(_explain(path, sys.argv[1:]) or str(error))
            except KeyboardInterrupt:
                sys.exit(130)

        return entry

    return decorate


def _run(
    main: Callable[[ConfigT], None], schema: type[ConfigT], config_name: str, cfg: DictConfig
) -> None:
    """Run a script's main for one configuration, or for each member of its suite."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", force=True)  # After Hydra's own.
    try:
        for member, overrides in _members(cfg, config_name):
            main(_filled(schema, member, overrides))
    except InputError as error:
        _stop(str(error))
    except StoppedError as stopped:
        sys.stderr.write(f"{stopped}\n")
        sys.exit(130)
    except OSError as error:
        if error.errno not in MACHINE_ERRORS:
            raise
        where = error.filename or "while writing"
        _stop(f"{error.strerror}: {where}; nothing that was finished is lost")


def with_foreign_kinds(overrides: list[str]) -> list[str]:
    """Leave out the file of a group whose kind is a foreign class: its keys are another kind's.

    `behaviour.kind=module:Class behaviour.gain=2` then gives that class those two keys alone.
    """
    pairs = [override.partition("=") for override in overrides]
    foreign = {key for key, _, kind in pairs if key.endswith(".kind") and ":" in kind}
    groups = {key.removesuffix(".kind") for key in foreign} - {key for key, _, _ in pairs}
    groups = {group for group in groups if (CONFIGS / group).is_dir()}
    mine = [f"+{part}" if part.partition(".")[0] in groups else part for part in overrides]
    return [*(f"~{group}" for group in sorted(groups)), *mine]


def _explain(config_name: str, arguments: list[str]) -> str:
    """Say which option Hydra stumbled over, and what there is instead; empty if it is none."""
    pairs = [argument.lstrip("+~").partition("=") for argument in arguments if "=" in argument]
    choices = {key: value for key, _, value in pairs if (CONFIGS / key).is_dir()}
    for group, choice in choices.items():
        if choice not in options(group):
            there = MOVED.get(f"{group}={choice}", f"choose one of {', '.join(options(group))}")
            return f"{group}={choice} is unknown; {there}"
    node: Any = _compose(config_name, [f"{g}={c}" for g, c in choices.items()])
    for key, _, _ in pairs:
        here = node
        for part in key.split("."):
            if not isinstance(here, DictConfig) or part not in list(here):  # `in` overlooks ???
                there = (
                    ", ".join(map(str, here)) if isinstance(here, DictConfig) else "no keys below"
                )
                return f"Unknown key {key}; there are {there}"
            here = here._get_node(part)
    return ""


def _stop(message: str) -> None:
    sys.stderr.write("error: " + " ".join(message.split()) + "\n")
    sys.exit(2)


def _plain(cfg: DictConfig) -> dict[str, Any]:
    return cast(dict[str, Any], OmegaConf.to_container(cfg, resolve=True))


def _filled(schema: type[ConfigT], cfg: DictConfig, overrides: list[str]) -> ConfigT:
    """Build a script's configuration; where it asks for them, with the overrides themselves."""
    values = _plain(cfg)
    if "overrides" in keys(schema):
        values["overrides"] = overrides
    return build(schema, values)


def _members(cfg: DictConfig, config_name: str) -> list[tuple[DictConfig, list[str]]]:
    """Give the configuration and its overrides, or those of each member of its suite."""
    overrides = list(HydraConfig.get().overrides.task)
    suite = cfg.get("env", {}).get("suite") if "env" in cfg else None
    if suite is None:
        return [(cfg, overrides)]
    others = [text for text in overrides if not text.startswith("env=")]
    return [(_compose(config_name, [*member, *others]), [*member, *others]) for member in suite]


def options(group: str) -> list[str]:
    """Name the choices of a configuration group (files that start with `_` are shared parts)."""
    return sorted(p.stem for p in (CONFIGS / group).glob("*.yaml") if not p.stem.startswith("_"))


def _help(config_name: str, schema: type[Any], module: Any) -> str:  # noqa: ANN401
    """Say what a script does and list every key with its comment, from the files that rule it."""
    text = (CONFIGS / f"{config_name}.yaml").read_text(encoding="utf-8")
    values = text.removeprefix("# @package _global_\n")
    groups = re.findall(r"/(\w+): ", values.split("\n", 1)[0])
    choices = [f"  {group}= {', '.join(options(group))}" for group in groups]
    choices += [
        f"  {key}.kind= {', '.join(kinds(package))}, or module:Class"
        for key, package in choosable(schema)
    ]
    parts = [inspect.getdoc(module), "Keys (key=value on the command line):", values]
    if choices:
        parts.append("\n".join(["Groups and kinds:", *choices]))
    return "\n\n".join(map(str, parts)) + "\n"
