"""A kernel that runs notebooks one after the other, each in an empty namespace.

It complains on stderr about each frame without rows, and each chart without a mark.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import nbformat
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient

_WATCH: Final = r"""
from IPython import get_ipython


def _complain(result, shell=get_ipython()):
    import re
    import sys

    import altair
    import polars
    import vl_convert

    shown = {**shell.user_ns, "the answer": result.result}
    for name, value in shown.items():  # those that begin with "_" are answers of before
        if not name.startswith("_") and isinstance(value, polars.DataFrame) and value.is_empty():
            print(f"{name} has no rows", file=sys.stderr)
    if isinstance(result.result, altair.TopLevelMixin):
        drawn = vl_convert.vegalite_to_svg(result.result.to_dict())
        if not re.search('<path aria-label="[^"]*" role="graphics-symbol"[^>]* d="M', drawn):
            print("the chart shows nothing", file=sys.stderr)


get_ipython().events.register("post_run_cell", _complain)
"""
"""Run once in a kernel; the namespace is emptied afterwards, and the shell keeps the function."""
_SECONDS_OF_A_CELL: Final = 300


class NotebookKernel:
    """A running kernel.

    Args:
        manager: Has started it.
    """

    def __init__(self, manager: KernelManager) -> None:
        self._manager = manager
        self._client = manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=_SECONDS_OF_A_CELL)
        self.run(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(_WATCH)]))

    def run(self, notebook: nbformat.NotebookNode) -> None:
        """Run a notebook's cells, and write their outputs into it.

        Raises:
            CellExecutionError: A cell has failed.
        """
        runner = NotebookClient(notebook, km=self._manager, timeout=_SECONDS_OF_A_CELL)
        runner.kc = self._client
        runner.execute()

    def close(self) -> None:
        """End it."""
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)
        self._manager.context.destroy()

    def empty(self) -> None:
        """Forget what notebooks have defined."""
        self.run(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("%reset -f")]))


@contextmanager
def notebook_kernel(folder: Path, environment: dict[str, str]) -> Iterator[NotebookKernel]:
    """Start a kernel that is reached by sockets of a folder; end it when the context does.

    Args:
        folder: An empty folder with a short path.
        environment: Variables beside those of this process.
    """
    manager = KernelManager(
        kernel_name="python3", transport="ipc", connection_file=str(folder / "kernel.json")
    )
    manager.ip = str(folder / "kernel")
    own = {"IPYTHONDIR": str(folder / "ipython"), "JUPYTER_RUNTIME_DIR": str(folder)}
    manager.start_kernel(env={**os.environ, **own, **environment})
    kernel = NotebookKernel(manager)
    try:
        yield kernel
    finally:
        kernel.close()
