import os
import re
import subprocess
import sys

import pytest

from benchmarks.records.store import load
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("dataset", ["fashion_mnist", "fashion_mnist_masks"])
def test_its_tables_are_the_measured_ones(committed_results, dataset):
    table = (committed_results / dataset / "quick" / "table.md").read_text()
    measured = [line for line in table.splitlines() if line.startswith("|")]
    assert "\n".join(measured) in README


def test_every_committed_record_can_be_read(committed_results):
    paths = list(committed_results.glob("*/*/runs/*.json"))
    folders = {path.parent.parent for path in paths}
    assert sum(len(load(folder)) for folder in folders) == len(paths) > 0


def test_what_it_links_to_is_there():
    pictures = re.findall(r"!\[[^]]*\]\(([^)]+)\)", README)
    assert len(pictures) == 4
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]
    assert set(pictures) < set(links)
    assert all((ROOT / link).is_file() for link in links)


def test_its_commands_are_targets_of_the_makefile():
    targets = re.findall(r"make (\w+)", README)
    for target in set(targets):
        command = ["make", "--dry-run", f"PYTHON={sys.executable}", target]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)


def test_its_model_works_when_pasted(tmp_path):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.S)
    program = code + "\nimport torch\nassert mynet()(torch.zeros(2, 1, 9, 9)).shape == (2, 10)\n"
    (tmp_path / "mynet.py").write_text(program)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, tmp_path / "mynet.py"], env=environment, check=True)
