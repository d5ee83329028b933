"""One writer at a time, by whatever name; a file is whole or not there; links are never cut."""

import errno
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from configs.files import write_text_whole, write_whole
from configs.locks import WITHOUT_LOCKS, only_writer
from perception.errors import InputError


def refused_as_second(path: Path) -> None:
    with pytest.raises(InputError, match="Another process is writing"), only_writer(path):
        pass


@pytest.mark.parametrize("exists", [True, False])
def test_every_name_of_a_folder_is_one_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exists: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    store, link, chain = tmp_path / "k.zarr", tmp_path / "kl.zarr", tmp_path / "other/kll.zarr"
    if exists:
        store.mkdir()
    chain.parent.mkdir()
    link.symlink_to("k.zarr")
    chain.symlink_to(link)
    names = [store, link, chain, Path("k.zarr"), Path("other/../k.zarr"), tmp_path / "./k.zarr"]
    for held in names:
        with only_writer(held):
            for other in names:
                refused_as_second(other)
    with only_writer(tmp_path / "l.zarr"), only_writer(store):
        pass


def test_a_lock_is_not_taken_through_a_link(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious", encoding="utf-8")
    (tmp_path / ".s.zarr.lock").symlink_to(victim)
    with (
        pytest.raises(InputError, match="is a link, and no lock file is"),
        only_writer(tmp_path / "s.zarr"),
    ):
        pass
    assert victim.read_text(encoding="utf-8") == "precious"


def test_links_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with (
        pytest.raises(InputError, match="cannot be followed"),
        only_writer(tmp_path / "a"),
    ):
        pass


def test_a_lock_file_is_never_written(tmp_path: Path) -> None:
    (tmp_path / ".s.zarr.lock").write_text("somebody's", encoding="utf-8")
    with only_writer(tmp_path / "s.zarr"):
        pass
    assert (tmp_path / ".s.zarr.lock").read_text(encoding="utf-8") == "somebody's"


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL])
def test_a_file_system_without_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def without(_handle: int, _operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", without)
    with (
        pytest.raises(InputError, match=f"has no locks .*set {WITHOUT_LOCKS}=1"),
        only_writer(tmp_path / "s.zarr"),
    ):
        pass
    monkeypatch.setenv(WITHOUT_LOCKS, "1")
    with only_writer(tmp_path / "s.zarr"):
        pass


@pytest.fixture(params=[0o022, 0o002, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """The umask of this process for a while."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_permissions_follow_the_umask(tmp_path: Path, umask: int) -> None:
    def by_a_private_file(aside: Path) -> None:
        aside.unlink()
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT, 0o600)
        os.write(handle, b"text")
        os.close(handle)

    write_whole(tmp_path / "file", by_a_private_file)
    with only_writer(tmp_path / "s"):
        pass
    for name in ("file", ".s.lock"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o666 & ~umask, name


def test_a_file_is_written_to_where_its_link_leads(tmp_path: Path) -> None:
    real = tmp_path / "real/file"
    real.parent.mkdir()
    (tmp_path / "link").symlink_to(real)
    for text in ("first", "second"):  # The link hangs in the air at first.
        write_text_whole(tmp_path / "link", text)
        assert (tmp_path / "link").is_symlink()
        assert real.read_text(encoding="utf-8") == text
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link", "real"]
    assert [p.name for p in real.parent.iterdir()] == ["file"]


def test_no_link_beside_a_file_is_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious", encoding="utf-8")
    (tmp_path / ".file.half").symlink_to(victim)
    write_text_whole(tmp_path / "file", "text")
    assert victim.read_text(encoding="utf-8") == "precious"
    assert (tmp_path / "file").read_text(encoding="utf-8") == "text"


def test_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "file"

    def while_another_writes(aside: Path) -> None:
        aside.write_text("first half, ", encoding="utf-8")
        write_text_whole(path, "another's")
        with aside.open("a", encoding="utf-8") as file:
            file.write("second half")

    write_whole(path, while_another_writes)
    assert path.read_text(encoding="utf-8") == "first half, second half"


def test_a_failed_writer_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_text_whole(path, "before")

    def fail(aside: Path) -> None:
        aside.write_text("half", encoding="utf-8")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="No space"):
        write_whole(path, fail)
    assert [(p.name, p.read_text(encoding="utf-8")) for p in tmp_path.iterdir()] == [
        ("file", "before")
    ]


def test_what_a_dead_writer_left_goes_after_a_while(tmp_path: Path) -> None:
    old, young = tmp_path / ".file.0123.half", tmp_path / ".file.4567.half"
    for left in (old, young):
        left.write_text("half", encoding="utf-8")
    os.utime(old, (0, time.time() - 5000))
    write_text_whole(tmp_path / "file", "text")
    assert not old.exists()
    assert young.exists()


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_what_is_no_file_is_left_alone(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "place")
    with pytest.raises(InputError, match="is no file, and is left alone"):
        write_text_whole(tmp_path / "place", "text")
    assert [p.name for p in tmp_path.iterdir()] == ["place"]
