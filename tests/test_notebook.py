import nbformat
import pandas as pd
from nbclient import NotebookClient

from tests.conftest import ROOT

PATH = ROOT / "notebooks" / "results.ipynb"


def images(notebook):
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not any(output.output_type == "error" for output in outputs)
    return [output for output in outputs if "image/png" in output.get("data", {})]


def test_the_notebook_runs_and_draws_its_plots():
    notebook = nbformat.read(PATH, as_version=4)
    drawn = len(images(notebook))
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": PATH.parent}}
    ).execute()
    assert len(images(notebook)) == drawn == 5


def test_its_outputs_show_the_committed_results(committed_results):
    notebook = nbformat.read(PATH, as_version=4)
    text = str(notebook.cells)
    rows = pd.read_csv(committed_results / "fashion_mnist" / "quick" / "results.csv")
    for row in rows[rows["status"] == "ok"].itertuples():
        assert row.model in text
        assert f"{row.test_accuracy:.3f}" in text
