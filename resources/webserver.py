"""Dagster's web server on a Unix socket, where only this user reaches it, or at an address.

    python -m resources.webserver SOCKET|HOST:PORT WORKSPACE [--read-only]

Its own command listens on a port, on which it answers every web page that a browser of this machine
shows. Here it answers the guard alone, which is part of the dashboard. An address must be one that
only the guard's machine or container can reach.
"""

import argparse
from pathlib import Path
from typing import Any, Final

import uvicorn
from dagster import DagsterInstance
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster_webserver.app import create_app_from_workspace_process_context
from dagster_webserver.version import __version__

from energy_platform.operations.supervision.ports import DAGSTER_PATH
from energy_platform.settings import Address

_STATEMENT_MILLISECONDS: Final = 15_000


def serve(where: Path | Address, workspace: Path, *, read_only: bool) -> None:
    """Serve until this process is told to stop."""
    listening: dict[str, Any] = (
        {"host": where.host, "port": where.port}
        if isinstance(where, Address)
        else {"uds": str(where)}
    )
    with DagsterInstance.get() as instance:
        instance.optimize_for_webserver(
            statement_timeout=_STATEMENT_MILLISECONDS, pool_recycle=3600, max_overflow=20
        )
        with WorkspaceProcessContext(
            instance,
            version=__version__,
            read_only=read_only,
            workspace_load_target=WorkspaceFileTarget([str(workspace)]),
        ) as context:
            app = create_app_from_workspace_process_context(context, DAGSTER_PATH)
            uvicorn.run(app, **listening, log_level="warning", proxy_headers=False)


def _where(said: str) -> Path | Address:
    return Path(said) if said.startswith("/") else Address.of(said)


def _main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("where", type=_where)
    asked.add_argument("workspace", type=Path)
    asked.add_argument("--read-only", action="store_true")
    said = asked.parse_args()
    serve(said.where, said.workspace, read_only=said.read_only)


if __name__ == "__main__":
    _main()
