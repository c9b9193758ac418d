"""Where the embedded server's folder and socket may lie, and whose they may be."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from embedded_kit import client, folder, linger, own_folder, refused
from fastkiq import embedded, embedded_folder
from fastkiq.errors import EmbeddedError

__all__ = ["folder", "linger"]

NOBODY = 65534


# Where its socket lies


@pytest.mark.parametrize("name", ["with space", "per%41cent", "what?#", "grün", "a&b=c;d"])
def test_any_name_will_do(tmp_path: Path, name: str) -> None:
    with own_folder(tmp_path, name) as folder:
        with client(embedded.ensure(folder)) as redis:
            assert redis.ping()


def test_a_long_path_moves_the_socket_to_the_runtime_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = tmp_path / "run"
    runtime.mkdir(0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    monkeypatch.setattr(embedded_folder, "MAX_SOCKET_PATH", len(str(runtime)) + 40)
    with own_folder(tmp_path, "x" * 100) as folder:
        url = embedded.ensure(folder)
        assert url.startswith(f"unix://{runtime}/fastkiq/")
        embedded.release(folder)
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))  # another environment, the same server
        assert embedded.ensure(folder) == url
        with client(url) as redis:
            assert redis.ping()


@pytest.mark.parametrize("runtime", ["", "relative", "/nonexistent"])
def test_without_a_runtime_folder_the_socket_lies_in_a_private_one_below_tmp(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runtime: str
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
    with own_folder(tmp_path, "y" * 100) as folder:
        url = embedded.ensure(folder)
        private = Path(f"/tmp/fastkiq-{os.geteuid()}")
        assert url.startswith(f"unix://{private}/")
        assert stat.S_IMODE(private.stat().st_mode) == 0o700
        Path(url.removeprefix("unix://")).unlink()


def test_a_moved_folder_is_found_again(tmp_path: Path) -> None:
    with own_folder(tmp_path, "after") as after:
        before = tmp_path / "before"
        with client(embedded.ensure(before)) as redis:
            redis.set("k", "v")
            before.rename(after)
            embedded.release(before)
            with client(embedded.ensure(after)) as same:
                assert same.get("k") == "v"


# Whose folder it may be


def test_a_folder_open_to_others_is_closed(folder: Path) -> None:
    folder.mkdir(0o755)
    embedded.ensure(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_folder_with_somebodys_files_is_refused_and_left_alone(folder: Path) -> None:
    folder.mkdir(0o755)
    (folder / "thesis.txt").write_text("mine")
    refused(folder, "not empty and was not made by fastkiq.*FASTKIQ_EMBEDDED_DIR")
    assert [file.name for file in folder.iterdir()] == ["thesis.txt"]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755


@pytest.mark.parametrize("target", ["real", "missing"])
def test_a_symbolic_link_is_refused(folder: Path, tmp_path: Path, target: str) -> None:
    (tmp_path / "real").mkdir()
    folder.symlink_to(tmp_path / target)
    refused(folder, "symbolic link")
    folder.unlink()


def test_a_link_inside_the_folder_is_not_followed(folder: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    folder.mkdir(0o700)
    (folder / "fastkiq.lock").touch()
    (folder / "log").symlink_to(victim)
    with pytest.raises(EmbeddedError, match="symbolic links"):
        embedded.ensure(folder)
    assert victim.read_text() == "untouched"


def test_a_file_or_a_missing_parent_is_refused(folder: Path, tmp_path: Path) -> None:
    folder.write_text("")
    refused(folder, "is not a folder")
    folder.unlink()
    refused(tmp_path / "no" / "such", "No such file")


def test_the_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        other = tmp_path / "other"
        other.mkdir()
        os.chown(other, NOBODY, NOBODY)
    else:
        other = Path("/usr")
    refused(other, "belongs to user")


@pytest.fixture
def unprivileged(tmp_path: Path) -> Iterator[Path]:
    """A folder of this user, who is not root meanwhile: root may write everywhere."""
    spot = tmp_path / "spot"
    spot.mkdir()
    if os.geteuid() != 0:
        yield spot
        return
    modes = {parent: stat.S_IMODE(parent.stat().st_mode) for parent in tmp_path.parents if parent.stat().st_uid == 0}
    opened = {parent: mode for parent, mode in modes.items() if not mode & 0o001}
    for parent in (*opened, tmp_path):
        parent.chmod(0o711)
    os.chown(spot, NOBODY, NOBODY)
    os.seteuid(NOBODY)
    try:
        yield spot
    finally:
        os.seteuid(0)
        for parent, mode in opened.items():
            parent.chmod(mode)


def test_a_read_only_place_is_refused(unprivileged: Path) -> None:
    unprivileged.chmod(0o500)
    refused(unprivileged / "data", "Permission denied.*FASTKIQ_EMBEDDED_DIR")
    with pytest.raises(EmbeddedError, match=r"cannot write in .*Permission denied"):
        embedded.ensure(unprivileged)
