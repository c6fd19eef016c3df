import os
import re
import subprocess
import sys

from tests.conftest import ROOT

README = (ROOT / "README.md").read_text()


def test_its_table_is_the_measured_one(committed_results):
    table = (committed_results / "fashion_mnist" / "quick" / "table.md").read_text()
    measured = [line for line in table.splitlines() if line.startswith("|")]
    assert "\n".join(measured) in README


def test_its_pictures_are_there():
    pictures = re.findall(r"!\[[^]]*\]\(([^)]+)\)", README)
    assert len(pictures) == 2
    assert all((ROOT / picture).is_file() for picture in pictures)


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
