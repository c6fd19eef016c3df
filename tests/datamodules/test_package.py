import re
import subprocess
import sys
from pathlib import Path

import datamodules


def test_import_loads_neither_torch_nor_lightning():
    program = "import sys, datamodules; print({'torch', 'lightning'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "set()\n"


def test_no_module_imports_benchmarks_or_lit_models():
    for path in Path(datamodules.__file__).parent.rglob("*.py"):
        assert not re.search(r"^\s*(from|import) (benchmarks|lit_models)", path.read_text(), re.M)
