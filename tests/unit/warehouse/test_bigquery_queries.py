"""What a query costs is known before it runs; a service of the test's own says how much."""

import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any, cast

import pytest
from google.api_core import exceptions
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from energy_platform.errors import ReadTooLargeError
from energy_platform.storage.warehouse.bigquery import queries
from energy_platform.storage.warehouse.bigquery.client import Clients
from energy_platform.storage.warehouse.bigquery.queries import ReadBudget

GIB = 2**30
SQL = "SELECT price FROM energy.prices"


@dataclass
class Service:
    """BigQuery's jobs, as far as a dry run goes: each would scan `scanned_bytes`.

    Attributes:
        fail_first: Status, reason and message of the errors that come before the first answer.
        jobs: The configuration of every job that was asked for.
    """

    scanned_bytes: int = 0
    fail_first: list[tuple[int, str]] = field(default_factory=list)
    jobs: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        configuration = request["configuration"]
        self.jobs.append(configuration)
        if self.fail_first:
            status, reason = self.fail_first.pop(0)
            error = {"reason": reason, "message": f"said {reason}"}
            return status, {"error": {"code": status, "message": "no", "errors": [error]}}
        if not configuration.get("dryRun"):
            error = {"reason": "invalidQuery", "message": "nothing runs here"}
            return 400, {"error": {"code": 400, "message": "nothing runs", "errors": [error]}}
        return 200, {
            "kind": "bigquery#job",
            "jobReference": {"projectId": "a-project", "location": "EU"},
            "configuration": configuration,
            "status": {"state": "DONE"},
            "statistics": {
                "totalBytesProcessed": str(self.scanned_bytes),
                "query": {"totalBytesProcessed": str(self.scanned_bytes)},
            },
        }


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def clients(service: Service) -> Iterator[Clients]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            status, said = service.answer(json.loads(self.rfile.read(length)))
            body = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        rest = bigquery.Client(
            project="a-project",
            credentials=AnonymousCredentials(),
            client_options=ClientOptions(api_endpoint=f"http://127.0.0.1:{server.server_port}"),
        )
        yield cast("Clients", SimpleNamespace(rest=rest, location="EU"))
        rest.close()
        server.shutdown()


def begin(clients: Clients, budget: ReadBudget) -> None:
    """Run a query until the service says that nothing runs there."""
    with pytest.raises(exceptions.BadRequest, match="nothing runs"):
        list(queries.run(clients, SQL, what="prices", budget=budget))


def test_a_dry_run_says_what_would_be_scanned(clients: Clients, service: Service) -> None:
    service.scanned_bytes = 3 * GIB
    assert queries.dry_run_bytes(clients, SQL) == 3 * GIB
    [job] = service.jobs
    assert job["dryRun"]
    assert job["query"]["query"] == SQL
    assert job["query"]["useQueryCache"] is False


def test_an_expensive_read_says_so_before_it_runs(
    clients: Clients, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    service.scanned_bytes = 512 * GIB
    with caplog.at_level(logging.WARNING):
        begin(clients, ReadBudget(warn_bytes=10 * GIB))
    assert "prices scans 512.00 GiB, about 3.12 USD on demand" in caplog.text
    assert [job.get("dryRun", False) for job in service.jobs] == [True, False]
    # Should the table grow meanwhile, BigQuery refuses in its turn.
    assert service.jobs[1]["query"]["maximumBytesBilled"] == str(1024 * GIB)
    assert service.jobs[1]["jobTimeoutMs"] == "600000"


def test_a_cheap_read_says_nothing(
    clients: Clients, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    service.scanned_bytes = 10 * GIB
    with caplog.at_level(logging.WARNING):
        begin(clients, ReadBudget(warn_bytes=10 * GIB, max_bytes=0))
    assert not caplog.records
    assert "maximumBytesBilled" not in service.jobs[1]["query"]


def test_a_read_that_is_too_large_does_not_run(clients: Clients, service: Service) -> None:
    service.scanned_bytes = 2048 * GIB
    with pytest.raises(ReadTooLargeError, match=r"prices scans 2,048.00 GiB, about 12.50 USD"):
        list(queries.run(clients, SQL, what="prices", budget=ReadBudget()))
    assert len(service.jobs) == 1


def test_what_passes_is_tried_again(clients: Clients, service: Service) -> None:
    service.scanned_bytes = 7
    service.fail_first = [(503, "backendError"), (403, "rateLimitExceeded")]
    assert queries.dry_run_bytes(clients, SQL) == 7
    assert len(service.jobs) == 3


def test_what_does_not_pass_is_said_at_once(clients: Clients, service: Service) -> None:
    service.fail_first = [(403, "accessDenied")]
    with pytest.raises(exceptions.Forbidden, match="no"):
        queries.dry_run_bytes(clients, SQL)
    assert len(service.jobs) == 1
