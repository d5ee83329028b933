"""From composed YAML to frozen, checked dataclasses, and from a command line to `main`."""

import errno
import inspect
import logging
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import partial
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from perception.errors import InputError

ConfigT = TypeVar("ConfigT")
CONFIGS = Path(__file__).resolve().parent
MACHINE_ERRORS = (  # What a user can mend: space, permission, something in the way, a disk.
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST,
    errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EIO,
)  # fmt: skip


def build(schema: type[ConfigT], values: Mapping[str, Any], where: str = "") -> ConfigT:
    """Fill a nested frozen dataclass; an unknown key, a missing one or a wrong type is an error.

    Only a field with a default may be missing: its key is younger than some written files.
    A key that Python reserves has a field with an underscore behind it: `from` fills `from_`.
    """
    hints = get_type_hints(schema)
    members = fields(cast(Any, schema))
    names = {field.name.removesuffix("_"): field.name for field in members}
    for key in values:
        if key not in names:
            raise InputError(f"Unknown key {where}{key}; there are {', '.join(names)}")
    needed = {m.name for m in members if m.default is MISSING and m.default_factory is MISSING}
    missing = [name for name, field in names.items() if name not in values and field in needed]
    if missing:
        raise InputError(f"Missing key {where}{missing[0]}")
    given = {name: field for name, field in names.items() if name in values}
    return schema(**{f: _fit(hints[f], values[n], f"{where}{n}") for n, f in given.items()})


def _fit(kind: Any, value: Any, key: str) -> Any:  # noqa: ANN401
    """Convert one value to the type its field declares."""
    if is_dataclass(kind):
        return build(cast(type, kind), _mapping(value, key), f"{key}.")
    origin, options = get_origin(kind), get_args(kind)
    if origin is Literal:
        if value not in options:
            raise InputError(
                f"{key}={value} is unknown; choose one of {', '.join(map(str, options))}"
            )
        return value
    if origin in (Union, UnionType):
        return _fit_union(options, value, key)
    if origin is tuple:
        return _fit_tuple(options, value, key)
    if origin is dict:
        return {str(k): _fit(options[1], v, f"{key}.{k}") for k, v in _mapping(value, key).items()}
    return _fit_scalar(kind, value, key)


def _fit_union(options: tuple[Any, ...], value: Any, key: str) -> Any:  # noqa: ANN401
    if value is None and NoneType in options:
        return None
    kinds = [option for option in options if option is not NoneType]
    return _fit(kinds[0] if len(kinds) == 1 else _chosen(kinds, value, key), value, key)


def _chosen(schemas: list[Any], value: Any, key: str) -> Any:  # noqa: ANN401
    """Choose among dataclasses by their field `kind`, a literal of the names each goes by."""
    by_kind = {name: s for s in schemas for name in get_args(get_type_hints(s)["kind"])}
    values = _mapping(value, key)
    if "kind" not in values:
        raise InputError(f"Missing key {key}.kind; choose one of {', '.join(by_kind)}")
    if values["kind"] not in by_kind:
        raise InputError(
            f"{key}.kind={values['kind']} is unknown; choose one of {', '.join(by_kind)}"
        )
    return by_kind[values["kind"]]


def _fit_tuple(options: tuple[Any, ...], value: Any, key: str) -> tuple[Any, ...]:  # noqa: ANN401
    items = value if isinstance(value, list | tuple) else [value]
    if options[-1] is Ellipsis:
        return tuple(_fit(options[0], item, f"{key}[{i}]") for i, item in enumerate(items))
    if len(items) != len(options):
        raise InputError(f"{key} takes {len(options)} values, not {len(items)}: {items}")
    pairs = zip(options, items, strict=True)
    return tuple(_fit(kind, item, f"{key}[{i}]") for i, (kind, item) in enumerate(pairs))


def _fit_scalar(kind: type, value: Any, key: str) -> Any:  # noqa: ANN401
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind in (str, Path) and isinstance(value, str | int | float) and not isinstance(value, bool):
        return kind(str(value))
    if type(value) is not kind:
        wanted = {int: "a whole number", float: "a number", bool: "true or false"}
        raise InputError(f"{key} must be {wanted.get(kind, 'text')}, not {value!r}")
    return value


def _mapping(value: Any, key: str) -> Mapping[str, Any]:  # noqa: ANN401
    if not isinstance(value, Mapping):
        raise InputError(f"{key} must be a group of keys, not {value!r}")
    return value


def compose(schema: type[ConfigT], config_name: str, overrides: list[str]) -> ConfigT:
    """Compose a script's configuration from Python, as its command line would."""
    return build(schema, _plain(_compose(config_name, overrides)))


def _compose(config_name: str | None, overrides: list[str]) -> DictConfig:
    """Compose, also within a script that Hydra runs (it allows one initialisation at a time)."""
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

    def decorate(main: Callable[[ConfigT], None]) -> Callable[[], None]:
        def entry() -> None:
            if {"--help", "-h"} & set(sys.argv[1:]):
                sys.stdout.write(_help(config_name, inspect.getmodule(main)))
                return
            os.environ["HYDRA_FULL_ERROR"] = "1"  # Raise, so that the line below is ours.
            command = hydra.main(
                version_base=None, config_path=str(CONFIGS), config_name=config_name
            )
            try:
                command(partial(_run, main, schema, config_name))()
            except (HydraException, OmegaConfBaseException) as error:
                _stop(_explain(config_name, sys.argv[1:]) or str(error))
            except KeyboardInterrupt:
                sys.exit(130)

        return entry

    return decorate


def _run(
    main: Callable[[ConfigT], None], schema: type[ConfigT], config_name: str, cfg: DictConfig
) -> None:
    """Run a script's main for one configuration, or for each member of its suite."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", force=True)
    try:
        for member in _members(cfg, config_name):
            main(build(schema, _plain(member)))
    except InputError as error:
        _stop(str(error))
    except OSError as error:
        if error.errno not in MACHINE_ERRORS:
            raise
        where = error.filename or "while writing"
        _stop(f"{error.strerror}: {where}; nothing that was finished is lost")


def _explain(config_name: str, arguments: list[str]) -> str:
    """Say which option Hydra stumbled over, and what there is instead; empty if it is none."""
    pairs = [argument.lstrip("+~").partition("=") for argument in arguments if "=" in argument]
    choices = {key: value for key, _, value in pairs if (CONFIGS / key).is_dir()}
    for group, choice in choices.items():
        if choice not in options(group):
            return f"{group}={choice} is unknown; choose one of {', '.join(options(group))}"
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


def _members(cfg: DictConfig, config_name: str) -> list[DictConfig]:
    """Give the configuration itself, or one per member of the suite that it names."""
    suite = cfg.get("env", {}).get("suite") if "env" in cfg else None
    if suite is None:
        return [cfg]
    others = [a for a in sys.argv[1:] if not a.startswith(("env=", "-"))]
    return [_compose(config_name, [*member, *others]) for member in suite]


def options(group: str) -> list[str]:
    """Name the choices of a configuration group (files that start with `_` are shared parts)."""
    return sorted(p.stem for p in (CONFIGS / group).glob("*.yaml") if not p.stem.startswith("_"))


def _help(config_name: str, module: Any) -> str:  # noqa: ANN401
    """Say what a script does and list every key with its comment, from the files that rule it."""
    groups = [p.name for p in sorted(CONFIGS.iterdir()) if p.is_dir() and options(p.name)]
    choices = "\n".join(f"  {g}= {', '.join(options(g))}" for g in groups)
    values = (CONFIGS / f"{config_name}.yaml").read_text()
    keys = f"Keys (key=value on the command line):\n\n{values}"
    return f"{inspect.getdoc(module)}\n\n{keys}\nGroups:\n{choices}\n"
