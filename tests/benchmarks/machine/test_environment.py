"""The commit in a record is that of this code, or none."""

import shutil
import subprocess
from pathlib import Path

import pytest

from benchmarks.machine import environment
from tests.conftest import ROOT


@pytest.fixture
def other_repository(tmp_path):
    """A repository with one commit."""
    identity = ("-c", "user.name=me", "-c", "user.email=me@example.org")
    for command in (["init", "--quiet"], [*identity, "commit", "--allow-empty", "-qm", "one"]):
        try:
            subprocess.run(["git", *command], cwd=tmp_path, check=True)
        except FileNotFoundError:
            pytest.skip("git is not installed")
    return tmp_path


@pytest.fixture
def own_commit():
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout")
    return environment.commit()


def test_without_git_the_commit_is_unknown(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert environment.commit() == "unknown"


def test_a_hook_of_another_repository_does_not_lend_its_commit(
    monkeypatch, other_repository, own_commit
):
    monkeypatch.setenv("GIT_DIR", str(other_repository / ".git"))
    assert environment.commit() == own_commit


def test_a_repository_that_the_code_was_copied_into_does_not_lend_its_commit(
    monkeypatch, other_repository
):
    copy = other_repository / "vendor" / "benchmarks" / "machine"
    copy.mkdir(parents=True)
    shutil.copy(environment.__file__, copy)
    monkeypatch.setattr(environment, "__file__", str(copy / Path(environment.__file__).name))
    assert environment.commit() == "unknown"


def test_the_owner_of_the_folder_does_not_matter(monkeypatch, own_commit):
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    assert environment.commit() == own_commit
