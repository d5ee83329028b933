"""From a command line to `main`: one-line errors, suites, and Hydra where a command is a sweep."""

import errno
import inspect
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import NoReturn

import hydra
import yaml
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from configs.build import ConfigT
from configs.command.composing import (
    Request,
    compose_values,
    members,
    one_line,
    request_of,
)
from configs.command.flags import SWEEP, Arguments, read_arguments
from configs.command.groups import CONFIGS, add_folder, search_path
from configs.command.help_text import help_text
from configs.stopping import StoppedError
from perception.errors import InputError

MACHINE_ERRORS = (  # What a user can mend: space, permission, something in the way, a disk.
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST,
    errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EIO, errno.ENOMEM, errno.ELOOP,
)  # fmt: skip
LEADER_SPEAKS_S = 2.0  # Time for the first process of a team to say the same, and end the others.


def script(
    config_name: str, schema: type[ConfigT]
) -> Callable[[Callable[[ConfigT], None]], Callable[[], None]]:
    """Turn `main(config)` into a command: Hydra's overrides, a true `--help`, one-line errors.

    Bad input ends with one line on standard error and exit code 2. A suite (an `env` that names
    others) runs `main` once for each of its members.
    """

    def decorate(main: Callable[[ConfigT], None]) -> Callable[[], None]:
        def entry() -> None:
            _speak_utf8()
            logging.basicConfig(level=logging.INFO, format="%(message)s", force=True)
            try:
                arguments = read_arguments(sys.argv[1:])
                for folder in arguments.folders:
                    add_folder(folder)
                if arguments.help:
                    sys.stdout.write(help_text(config_name, schema, inspect.getmodule(main)))
                    return
                _start(main, config_name, schema, arguments)
            except InputError as error:
                _stop(str(error))
            except KeyboardInterrupt:
                sys.exit(130)

        return entry

    return decorate


def _speak_utf8() -> None:
    """Begin again in Python's UTF-8 mode where the locale has names and files read otherwise."""
    if sys.getfilesystemencoding() != "utf-8" and os.environ.get("PYTHONUTF8") != "1":
        os.environ["PYTHONUTF8"] = "1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _start(
    main: Callable[[ConfigT], None],
    config_name: str,
    schema: type[ConfigT],
    arguments: Arguments,
) -> None:
    """Run a command, print its configuration, or give it to Hydra to run once for each value."""
    request = request_of(schema, config_name, arguments.overrides, sweep=arguments.sweep)
    arguments.refuse_hydra_keys()
    if arguments.sweep:
        _sweep(main, request, arguments.hydra)
        return
    cfg = compose_values(request.path, request.hydra)
    if arguments.show:
        values = request.texts.put_back(OmegaConf.to_container(cfg))
        sys.stdout.write(yaml.safe_dump(values, sort_keys=False, allow_unicode=True))
        return
    _run(main, request, cfg)


def _sweep(main: Callable[[ConfigT], None], request: Request, of_hydra: Sequence[str]) -> None:
    """Let Hydra run the command for each combination of values."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Raise, so that the line below is ours.
    # Jobs that a launcher starts elsewhere import our rooms, too.
    paths = [str(CONFIGS.parent), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    sys.argv[1:] = ["--multirun", *SWEEP, *search_path(), *of_hydra, *request.hydra]
    command = hydra.main(version_base=None, config_path=str(CONFIGS), config_name=request.path)
    try:
        command(partial(_run_one, main, request))()
    except (HydraException, OmegaConfBaseException) as error:
        raise InputError(one_line(error)) from error
    except Exception as error:
        if not type(error).__module__.startswith("submitit."):
            raise
        raise InputError(_said_by_job(str(error))) from error


def _said_by_job(text: str) -> str:
    """Find in what submitit says of a job that failed what the job itself has said."""
    own = [line.removeprefix("error: ") for line in text.splitlines() if line.startswith("error: ")]
    return f"a job failed: {own[0]}" if own else f"a job failed, see .submitit/: {text[-300:]}"


def _run_one(main: Callable[[ConfigT], None], request: Request, cfg: DictConfig) -> None:
    """Run one combination of a sweep."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", force=True)  # After Hydra's own.
    said = list(HydraConfig.get().overrides.task)
    given = tuple(request.texts.put_back([text.removeprefix("++") for text in said]))
    groups = tuple(text for text in said if not text.startswith("++"))
    values = tuple(text for text in said if text.startswith("++"))
    one = Request(request.path, request.schema, given, groups, values, request.texts)
    try:
        _run(main, one, cfg)
    except InputError as error:
        _stop(str(error))


def _run(main: Callable[[ConfigT], None], request: Request, cfg: DictConfig) -> None:
    """Run a script's main for one configuration, or for each member of its suite."""
    try:
        configs = [request.fill(*member) for member in members(request, cfg)]
        _require_own_places(configs)
        for config in configs:
            main(config)
    except StoppedError as stopped:
        sys.stderr.write(f"{stopped}\n")
        sys.exit(130)
    except OSError as error:
        if error.errno not in MACHINE_ERRORS:
            raise
        where = error.filename or "while writing"
        _stop(f"{error.strerror}: {where}; nothing that was finished is lost")
    except MemoryError as error:
        _stop(f"Out of memory ({error}): ask for less at once; nothing that was finished is lost")


def _require_own_places(configs: Sequence[object]) -> None:
    """Refuse a suite whose tasks would all be written to one place, before the first begins.

    Raises:
        InputError: They would.
    """
    places = [getattr(config, "out", None) for config in configs]
    if len(places) > 1 and places[0] is not None and len(set(places)) < len(places):
        raise InputError(
            f"A suite of {len(places)} tasks cannot share out={places[0]}: leave out= away, or run"
            " each task by its own env= and out="
        )


def _stop(message: str) -> NoReturn:
    """End with one line; of several processes that learn together, the first says it for all.

    `torchrun` ends the others as soon as one has ended, so a line that is not the first one's too
    is still said.
    """
    if os.environ.get("RANK", "0") != "0":
        time.sleep(LEADER_SPEAKS_S)
    sys.stderr.write("error: " + " ".join(message.split()) + "\n")
    sys.exit(2)
