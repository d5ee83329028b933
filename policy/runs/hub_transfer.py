"""To and from the Hub: in one commit, and whole or not at all."""

import importlib
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from configs.command.following import follow, follow_store
from configs.ranges import Output
from datasets.formats.shared.exporter import whole
from datasets.store.store import EpisodeStore
from perception.errors import InputError, from_extra
from policy.runs.hub_card import EVALUATION, planner_card, planners_of, store_card
from policy.runs.run import CONFIG

logger = logging.getLogger(__name__)

PLANNER, STORE = "model", "dataset"  # Which kind of repository each has.
KEPT = (CONFIG, EVALUATION, "report.html", "*.jsonl")  # Of a run, beside its planners.
DESCRIPTIONS = (".zgroup", "zarr.json")  # Of a store.
HUBS_OWN = (".cache", ".gitattributes")
NAME = "user/name"


@dataclass(frozen=True)
class HubConfig:
    """What goes where; every key is explained in configs/scripts/hub.yaml."""

    push: Path | None
    pull: str | None
    repo: str | None
    to: Output | None
    private: bool
    revision: str


def transfer(config: HubConfig) -> None:
    """Push, or pull.

    Raises:
        InputError: Neither or both are asked for, there is no such folder or repository, or the Hub
            cannot be reached.
    """
    if config.push is not None and config.repo and config.pull is None and config.to is None:
        push(config.push, config.repo, private=config.private)
    elif config.pull and config.to is not None and config.push is None and config.repo is None:
        pull(config.pull, config.to, config.revision)
    else:
        raise InputError(f"say push=FOLDER repo={NAME}, or pull={NAME} to=FOLDER")


def push(folder: Path, repo: str, *, private: bool) -> None:
    """Push a run or a store, with its card, in one commit; what was pushed before is replaced.

    Raises:
        InputError: The folder is neither; the Hub cannot be reached, or refuses.
    """
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}")
    kind = STORE if is_store(folder) else PLANNER
    files, card = _of_store(folder, repo) if kind == STORE else _of_run(folder, repo)
    hub = from_extra("huggingface_hub", extra="hub")
    with _said(repo):
        api = hub.HfApi(endpoint=os.environ.get("HF_ENDPOINT"))
        api.create_repo(repo, repo_type=kind, private=private, exist_ok=True)
        names = {file.relative_to(folder).as_posix(): file for file in files}
        add, delete = hub.CommitOperationAdd, hub.CommitOperationDelete
        changes = [add(path_in_repo=name, path_or_fileobj=file) for name, file in names.items()]
        changes.append(add(path_in_repo="README.md", path_or_fileobj=card.encode()))
        there = api.list_repo_files(repo, repo_type=kind)
        changes += [delete(path_in_repo=name) for name in stale(there, set(names))]
        done = api.create_commit(
            repo, changes, commit_message=f"Push {folder.name}", repo_type=kind
        )
    logger.info("%d files and a card are at %s", len(files), done.repo_url)


def stale(there: list[str], pushed: set[str]) -> list[str]:
    """Name what an earlier push has left in the folders of this one; other files are let be."""
    folders = {name.partition("/")[0] for name in pushed if "/" in name}
    return [n for n in there if n not in pushed and "/" in n and n.partition("/")[0] in folders]


def pull(repo: str, to: Path, revision: str) -> None:
    """Pull a run or a store; it has its name once it is whole.

    Raises:
        InputError: There is no such repository, it holds neither, or the Hub cannot be reached; or
            something is at `to`.
    """
    hub = from_extra("huggingface_hub", extra="hub")
    with whole(to) as partial:
        with _said(repo):
            api = hub.HfApi(endpoint=os.environ.get("HF_ENDPOINT"))
            kind = PLANNER if api.repo_exists(repo, repo_type=PLANNER) else STORE
            api.snapshot_download(repo, repo_type=kind, revision=revision, local_dir=partial)
        for name in HUBS_OWN:
            shutil.rmtree(partial / name, ignore_errors=True)
            if (partial / name).is_file():
                (partial / name).unlink()
        stored = is_store(partial)
        if stored:
            EpisodeStore.open(partial)
        elif not planners_of(partial):
            raise InputError(
                f"{repo} holds neither a store nor the planner of a run"
                f" (checkpoints/*.safetensors): nothing of it was kept"
            )
    if stored:
        follow_store(to)
    else:
        follow(to, ("policy/evaluate.py", f"checkpoint={to}"))


def is_store(folder: Path) -> bool:
    """Tell whether a folder is a store, by its description."""
    return any((folder / name).is_file() for name in DESCRIPTIONS)


def _of_store(folder: Path, repo: str) -> tuple[list[Path], str]:
    """List the files of a store, and write its card."""
    card = store_card(EpisodeStore.open(folder), repo)
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return [path for path in files if path.suffix != ".lock"], card


def _of_run(folder: Path, repo: str) -> tuple[list[Path], str]:
    """List the files of a run that others can use, and write its card."""
    card, planners = planner_card(folder, repo), planners_of(folder)
    if not planners:
        raise InputError(
            f"{folder}/checkpoints holds no finished planner (*.safetensors): train on, or choose"
            " another push="
        )
    beside = [path for pattern in KEPT for path in sorted(folder.glob(pattern))]
    return [*beside, *planners], card


@contextmanager
def _said(repo: str) -> Iterator[None]:
    """Say in one line what the Hub, or the way to it, refuses.

    Raises:
        InputError: It does.
    """
    errors = importlib.import_module("huggingface_hub.errors")
    try:
        yield
    except errors.HFValidationError as error:
        raise InputError(f"{repo} is no name of a repository: it is {NAME}") from error
    except (errors.HTTPError, errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled) as error:
        raise InputError(f"{repo}: {_cause(error, errors)}") from error


def _cause(error: Exception, errors: Any) -> str:  # noqa: ANN401
    """Name what went wrong, and what to do."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403):
        return "the Hub refuses: log in (hf auth login, or HF_TOKEN) with a token that may do this"
    if isinstance(error, errors.RepositoryNotFoundError) or status == 404:
        return "there is no such repository or revision, or it is another's: see its name"
    if status is not None:
        return f"the Hub refuses ({status}): try again later"
    return "the Hub cannot be reached: see the network, HF_ENDPOINT and HF_HUB_OFFLINE"
