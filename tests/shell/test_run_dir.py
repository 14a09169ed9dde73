"""The run directory: lock, sockets, access to the API."""

import os
from pathlib import Path

import pytest

from softswitch.kernel.errors import LocalError
from softswitch.shell import run_dir
from softswitch.shell.run_dir import ApiAccess


def test_access_is_for_the_same_user_only(tmp_path: Path) -> None:
    run = run_dir.prepare(tmp_path / "var")
    assert run_dir.read_access(tmp_path / "var") is None
    run_dir.write_access(run, ApiAccess("http://127.0.0.1:8080", "t0ken"))
    assert run_dir.read_access(tmp_path / "var") == ApiAccess("http://127.0.0.1:8080", "t0ken")
    assert (run / "api-token").stat().st_mode & 0o777 == 0o600
    assert run.stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "var").stat().st_mode & 0o007 == 0


def test_the_lock_names_its_owner_and_is_free_afterwards(tmp_path: Path) -> None:
    run = run_dir.prepare(tmp_path)
    with run_dir.lock(run), pytest.raises(LocalError, match=f"process {os.getpid()}"):
        run_dir.lock(run)
    run_dir.lock(run).close()


def test_clean_leaves_the_lock_file_only(tmp_path: Path) -> None:
    run = run_dir.prepare(tmp_path)
    run_dir.lock(run).close()
    run_dir.media_socket(run, 0).touch()
    run_dir.write_access(run, ApiAccess("u", "t"))
    run_dir.clean(run, run, False)
    assert [path.name for path in run.iterdir()] == ["lock"]


def test_a_data_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(LocalError, match=r"data directory .*: there is a file of that name"):
            run_dir.prepare(path)
