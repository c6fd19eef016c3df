"""The quota of a container limits threads, for both versions of control groups."""

from math import inf

import pytest
import torch

from benchmarks.machine import cpus, process_settings
from datamodules import control_groups


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """Writes the groups of this process, and the files of their limits."""
    monkeypatch.setattr(control_groups, "_ROOT", tmp_path / "cgroup")
    monkeypatch.setattr(control_groups, "_OWN_GROUPS", tmp_path / "own")

    def write(own, files):
        (tmp_path / "own").write_text(own)
        for name, content in files.items():
            path = tmp_path / "cgroup" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)

    return write


def v1(group, quota):
    names = {"cpu.cfs_quota_us": quota, "cpu.cfs_period_us": 100_000}
    return {f"{group}/{name}": f"{value}\n" for name, value in names.items()}


V1 = "9:name=systemd:/\n4:cpuset:/docker/1\n3:cpu,cpuacct:/docker/1\n0::/\n"


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        ("0::/\n", {"cpu.max": "200000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "max 100000\n"}, inf),
        ("0::/\n", {}, inf),
        # The group of a pod is inside one with a smaller limit.
        ("0::/pod/box\n", {"pod/box/cpu.max": "max 100000", "pod/cpu.max": "150000 100000"}, 1.5),
        # A container sees its group as the root, but its path as the host does.
        ("0::/docker/1\n", {"cpu.max": "50000 100000\n"}, 0.5),
        (
            V1,
            {"cpu/docker/1/cpu.cfs_quota_us": "200000", "cpu/docker/1/cpu.cfs_period_us": "50000"},
            4,
        ),
        (V1, {"cpu/cpu.cfs_quota_us": "200000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 2),
        (V1, {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, inf),
        (
            V1,
            {"cpuset/docker/1/cpu.cfs_quota_us": "1", "cpuset/docker/1/cpu.cfs_period_us": "1"},
            inf,
        ),
    ],
)
def test_quota(groups, own, files, expected):
    groups(own, files)
    assert cpus.quota() == expected


def test_without_groups_there_is_no_quota(groups):
    assert cpus.quota() == inf


@pytest.mark.parametrize(("quota", "threads"), [(inf, 64), (2, 2), (2.5, 2), (0.5, 1), (99, 64)])
def test_threads_fit_the_quota(monkeypatch, quota, threads):
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(cpus, "quota", lambda: quota)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    assert process_settings.threads() == threads
    monkeypatch.setenv("OMP_NUM_THREADS", "64")
    assert process_settings.threads() == 64


def test_a_run_and_a_study_have_these_threads(monkeypatch):
    before = torch.get_num_threads()
    monkeypatch.setattr(process_settings, "threads", lambda: 3)
    process_settings.set_up()
    assert torch.get_num_threads() == 3
    torch.set_num_threads(before)
