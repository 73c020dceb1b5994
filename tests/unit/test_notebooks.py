"""Every notebook runs on a demo: each frame has rows, each chart is drawn, nothing warns."""

import base64
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

import energy_platform as ep
from tests.support.notebook_kernel import NotebookKernel, notebook_kernel
from tests.support.small_demo import DAYS, small_demo, small_demo_folder

ROOT = Path(__file__).parents[2]
WHOLE_DAYS: Final = 90
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(DAYS, id="small"),
        pytest.param(WHOLE_DAYS, id="whole", marks=pytest.mark.nightly),
    ],
)
def kernel(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[NotebookKernel]:
    if request.param == DAYS:
        small_demo(tmp_path_factory)
        folder = small_demo_folder(tmp_path_factory)
    else:
        folder = tmp_path_factory.mktemp("demo")
        ep.demo(days=request.param, folder=folder)
    environment = {
        "ENERGY_PLATFORM_DEMO": str(folder),
        "ENERGY_PLATFORM_DEMO_DAYS": str(request.param),
    }
    with (
        tempfile.TemporaryDirectory(prefix="notebooks-") as short,
        notebook_kernel(Path(short), environment) as started,
    ):
        yield started


def read(file: Path) -> nbformat.NotebookNode:
    notebook: nbformat.NotebookNode = nbformat.read(file, nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    return notebook


def run(kernel: NotebookKernel, notebook: nbformat.NotebookNode) -> None:
    try:
        kernel.run(notebook)
    finally:
        kernel.empty()


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def complaints(notebook: nbformat.NotebookNode) -> list[str]:
    """Return what was written beside the cells' answers: warnings, and frames without rows."""
    return [
        output.text
        for cell in code_cells(notebook)
        for output in cell.outputs
        if output.output_type == "stream"
    ]


def pictures(cell: nbformat.NotebookNode) -> list[bytes]:
    shown = [output.get("data", {}) for output in cell.outputs]
    return [base64.b64decode(data["image/png"]) for data in shown if "image/png" in data]


@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_a_notebook_runs_and_every_cell_has_something_to_show(
    file: Path, kernel: NotebookKernel
) -> None:
    notebook = read(file)
    run(kernel, notebook)
    assert complaints(notebook) == []
    for cell in code_cells(notebook)[1:]:
        assert cell.outputs, f"{cell.id} shows nothing"
    drawn = [cell.id for cell in code_cells(notebook) if "alt.Chart(" in cell.source]
    assert [cell.id for cell in code_cells(notebook) if pictures(cell)] == drawn


@pytest.mark.timeout(1_800)
def test_a_frame_without_rows_and_an_empty_chart_are_found(kernel: NotebookKernel) -> None:
    notebook = read(NOTEBOOKS[0])
    notebook.cells = [
        code_cells(notebook)[0],
        nbformat.v4.new_code_cell(
            'found = desk.load("entsoe_load", start="2020-01-01", end="2020-01-02", zone=zone)'
        ),
        nbformat.v4.new_code_cell("found = None"),
        nbformat.v4.new_code_cell('pl.DataFrame({"x": []})'),
        nbformat.v4.new_code_cell(
            'alt.Chart(pl.DataFrame({"x": [None]})).mark_line().encode(x="x:Q", y="x:Q")'
        ),
    ]
    run(kernel, notebook)
    assert complaints(notebook) == [
        "found has no rows\n",
        "the answer has no rows\n",
        "the chart shows nothing\n",
    ]


def test_a_cell_that_fails_fails_the_notebook(kernel: NotebookKernel) -> None:
    failing = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 / 0")])
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        run(kernel, failing)


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_a_notebook_is_kept_without_its_outputs(file: Path) -> None:
    cells = code_cells(read(file))
    assert [(cell.outputs, cell.execution_count) for cell in cells] == [([], None)] * len(cells)


def test_the_guide_lists_every_notebook() -> None:
    guide = (ROOT / "docs" / "notebooks.md").read_text()
    assert len(NOTEBOOKS) >= 10
    assert [file.name for file in NOTEBOOKS if f"(../notebooks/{file.name})" not in guide] == []
    assert guide.count("](../notebooks/") == len(NOTEBOOKS)
