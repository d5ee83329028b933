"""From overrides to a configuration: files and command line by Hydra, then checked dataclasses."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, cast

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from configs.build import ConfigT, build, keys
from configs.command.groups import CONFIGS, check_choice, is_group, search_path
from configs.command.overrides import Override, Texts, for_hydra
from configs.command.renamed import as_named_now
from configs.command.schema import hints_of
from configs.command.tables import with_rows
from perception.errors import InputError

SCRIPTS = "scripts"  # The folder of each script's own values; the others are groups.
NEEDED = "???"  # Of a key that has no default.


@dataclass(frozen=True)
class Request:
    """A command line, as Hydra takes it.

    Attributes:
        path: The script's own YAML, from `configs/`, without its ending.
        schema: The dataclass that it fills.
        given: The overrides as they were said, with today's keys.
        groups: The choices among them, `env=adroit-pen`.
        values: The others, for Hydra, with tokens where texts are.
        texts: The texts.
    """

    path: str
    schema: type[Any]
    given: tuple[str, ...]
    groups: tuple[str, ...]
    values: tuple[str, ...]
    texts: Texts = field(default_factory=Texts)

    @property
    def hydra(self) -> list[str]:
        """All overrides, for Hydra."""
        return [*self.groups, *self.values]

    def fill(self, cfg: DictConfig, overrides: Sequence[str]) -> Any:  # noqa: ANN401
        """Build the configuration; where it asks for them, with the overrides themselves."""
        plain = _plain(cfg)
        check_given(plain, "")
        values = with_rows(plain, self.texts)
        if "overrides" in keys(self.schema):
            values["overrides"] = list(overrides)
        try:
            return build(self.schema, values)
        except InputError as error:
            raise InputError(_as_typed(str(error), cfg)) from error


def _as_typed(text: str, cfg: DictConfig) -> str:
    """Name keys as they are typed: what is below `planner.denoiser` is given as `denoiser`."""
    for key, value in _interpolations(OmegaConf.to_container(cfg, resolve=False), ""):
        name = value.removeprefix("${").removesuffix("}")
        text = text.replace(f"{key}.", f"{name}.") if name in cfg else text
    return text


def _interpolations(values: Any, where: str) -> list[tuple[str, str]]:  # noqa: ANN401
    if isinstance(values, str) and values.startswith("${"):
        return [(where, values)]
    if not isinstance(values, dict):
        return []
    inner = [_interpolations(value, f"{where}.{k}".lstrip(".")) for k, value in values.items()]
    return [pair for pairs in inner for pair in pairs]


def compose(schema: type[ConfigT], config_name: str, overrides: list[str]) -> ConfigT:
    """Compose a script's configuration from Python, as its command line would.

    Raises:
        InputError: A key or a value makes no sense.
    """
    request = request_of(schema, config_name, overrides)
    cfg = compose_values(request.path, request.hydra)
    return cast(ConfigT, request.fill(cfg, request.given))


def compose_part(
    schema: type[ConfigT], group: str, choice: str, overrides: list[str] | None = None
) -> ConfigT:
    """Compose one group alone, e.g. a task: `compose_part(EnvConfig, "env", "adroit-door")`.

    Raises:
        InputError: There is no such choice, or a key or a value makes no sense.
    """
    check_choice(group, choice)
    given = [Override.read(text) for text in overrides or []]
    for override in given:
        if override.key.partition(".")[0] != group:
            raise InputError(f"Unknown key {override.key}; there are those below {group}")
    inner = [Override(o.prefix, o.key.partition(".")[2], o.value) for o in given]
    texts, chosen = Texts(), f"+{group}={choice}"

    def kind_of(key: str) -> str | None:
        return _kinds(None, (chosen,), _said_kinds(given)).get(f"{group}.{key}")

    values = for_hydra(schema, inner, texts, kind_of, sweep=False)
    within = [_within(group, text) for text in values]
    cfg = compose_values(None, [chosen, *within])
    return build(schema, with_rows(_plain(cfg), texts)[group])


def _within(group: str, text: str) -> str:
    """Put a group before the key of an override."""
    sign = "~" if text.startswith("~") else "++"
    return f"{sign}{group}.{text.removeprefix(sign)}"


def compose_values(config_name: str | None, overrides: list[str]) -> DictConfig:
    """Compose, also within a script that Hydra runs (it allows one initialisation at a time).

    Raises:
        InputError: Hydra cannot: its reason, in one line.
    """
    overrides = [*search_path(), *overrides]
    try:
        if GlobalHydra.instance().is_initialized():
            return hydra.compose(config_name, overrides)
        with hydra.initialize_config_dir(str(CONFIGS), version_base=None):
            return hydra.compose(config_name, overrides)
    except (HydraException, OmegaConfBaseException) as error:
        raise InputError(one_line(error)) from error


def one_line(error: Exception) -> str:
    """Give the first paragraph of an error of Hydra's, which go on for many lines."""
    return " ".join(str(error).strip().split("\n\n")[0].split())


def request_of(
    schema: type[Any], config_name: str, overrides: Sequence[str], *, sweep: bool = False
) -> Request:
    """Read a command line: its keys must be there, and its texts are set aside.

    Raises:
        InputError: A key or a choice of a group is unknown, or a file of it is broken.
    """
    given = as_named_now(config_name, overrides)
    path = f"{SCRIPTS}/{config_name}"
    told = [Override.read(text) for text in given]
    own = [override for override in told if override.key.partition(".")[0] in groups_of(schema)]
    choices = [o for o in own if o.key in groups_of(schema) and o.value is not None]
    choices = [o for o in choices if not str(o.value).startswith(("{", "["))]
    for choice in choices:
        if not (sweep and "," in str(choice.value)):
            check_choice(choice.key, str(choice.value))
    groups = _groups(told, choices)
    texts = Texts()

    def kind_of(key: str) -> str | None:
        return _kinds(path, groups, _said_kinds(told)).get(key)

    rest = [override for override in told if override not in choices]
    values = for_hydra(schema, rest, texts, kind_of, sweep=sweep)
    return Request(path, schema, tuple(given), groups, tuple(values), texts)


def groups_of(schema: type[Any]) -> list[str]:
    """Name the keys of a script that choose a file of a folder here."""
    return [key for key in hints_of(schema) if key != SCRIPTS and is_group(key)]


def _groups(told: Sequence[Override], choices: Sequence[Override]) -> tuple[str, ...]:
    """Give the choices of groups; one whose kind is a foreign class has no file.

    `behaviour.kind=module:Class behaviour.gain=2` then gives that class those two keys alone.
    """
    foreign = {o.key for o in told if o.key.endswith(".kind") and ":" in (o.value or "")}
    left_out = {key.removesuffix(".kind") for key in foreign} - {o.key for o in choices}
    gone = sorted(group for group in left_out if is_group(group))
    return (*(f"~{group}" for group in gone), *(f"{o.key}={o.value}" for o in choices))


def _said_kinds(told: Sequence[Override]) -> tuple[tuple[str, str], ...]:
    said = [(o.key, o.value) for o in told if o.key.endswith(".kind") and o.value]
    return tuple((key.removesuffix(".kind"), value) for key, value in said)


@cache
def _kinds(
    path: str | None, groups: tuple[str, ...], said: tuple[tuple[str, str], ...]
) -> Mapping[str, str]:
    """Find the kind that is chosen at each key: by the files, and by the command over them."""
    cfg = OmegaConf.to_container(compose_values(path, list(groups)), resolve=False)
    return {**dict(_kinds_below(cfg, "")), **dict(said)}


def _kinds_below(values: Any, where: str) -> list[tuple[str, str]]:  # noqa: ANN401
    if not isinstance(values, dict):
        return []
    own = [(where, str(values["kind"]))] if "kind" in values and where else []
    inner = [_kinds_below(value, f"{where}.{key}".lstrip(".")) for key, value in values.items()]
    return own + [pair for pairs in inner for pair in pairs]


def chosen_kinds(path: str) -> Callable[[str], str | None]:
    """Say which kind a script has at a key if the command says nothing."""
    return _kinds(path, (), ()).get


def members(request: Request, cfg: DictConfig) -> list[tuple[DictConfig, list[str]]]:
    """Give the configuration and its overrides, or those of each member of its suite."""
    suite = cfg.get("env", {}).get("suite") if "env" in hints_of(request.schema) else None
    if suite is None:
        return [(cfg, list(request.given))]
    others = [text for text in request.given if not text.startswith("env=")]
    kept = [text for text in request.hydra if not text.startswith("env=")]
    return [
        (compose_values(request.path, [*member, *kept]), [*member, *others]) for member in suite
    ]


def check_given(values: Any, where: str) -> None:  # noqa: ANN401
    """Refuse a configuration in which a file leaves a value open.

    Raises:
        InputError: Which key must be given.
    """
    if values == NEEDED:
        raise InputError(f"Missing key {where}: give {where}=<...>; --help says what it is")
    if isinstance(values, dict):
        for key, value in values.items():
            check_given(value, f"{where}.{key}".lstrip("."))


def _plain(cfg: DictConfig) -> dict[str, Any]:
    try:
        return cast(dict[str, Any], OmegaConf.to_container(cfg, resolve=True))
    except OmegaConfBaseException as error:
        raise InputError(one_line(error)) from error
