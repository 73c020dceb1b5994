"""A server that answers for Cloud Run's worker pools, and takes only what Google's document allows.

Each request is held against `run.v2`, the discovery document: the path of a method, the query
parameters that it has, and the fields of its body. What is not in it is answered with 400.
"""

import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.terraform.rest_bodies import document

PREFIX = "projects/desk-prod/locations/europe-west3/workerPools/energy-"


@dataclass
class CloudRun:
    """The pools, by their full names, and what was asked.

    Attributes:
        url: Where it listens.
        counts: How many instances each pool has.
        versions: How often each pool has changed.
        asked: The requests that it took: method, path, body.
        outage: A status with which every request is answered; None while all is well.
    """

    url: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    outage: int | None = None

    def answer(self, method: str, target: str, body: Any) -> tuple[int, Any]:
        """Return a status and an answer."""
        if self.outage is not None:
            return self.outage, {"error": {"code": self.outage, "status": "UNAVAILABLE"}}
        url = urlsplit(target)
        if why := _refusal(method, url.path, parse_qs(url.query), body):
            self.refused.append(why)
            return 400, {"error": {"code": 400, "message": why}}
        self.asked.append((method, target, body))
        name = url.path.removeprefix("/v2/")
        if name not in self.counts:
            return 404, {"error": {"code": 404, "status": "NOT_FOUND"}}
        etag = f'"{self.versions.get(name, 0)}"'
        if method == "PATCH":
            if body.get("etag", etag) != etag:
                return 409, {"error": {"code": 409, "status": "ABORTED"}}
            self.counts[name] = body["scaling"]["manualInstanceCount"]
            self.versions[name] = self.versions.get(name, 0) + 1
            return 200, {"name": f"{name}/operations/1", "done": False}
        scaling = {"manualInstanceCount": self.counts[name]}
        return 200, {"name": name, "scaling": scaling, "etag": etag}


def _refusal(method: str, path: str, query: Mapping[str, Any], body: Any) -> str:
    """Return what the document does not allow of a request; empty if it is as documented."""
    said = document("run.v2")
    methods = said["resources"]["projects"]["resources"]["locations"]["resources"]["workerPools"]
    known = {
        one["httpMethod"]: one
        for one in methods["methods"].values()
        if one["path"].endswith("/{+name}")
    }
    if method not in known:
        return f"there is no {method} of a worker pool"
    one = known[method]
    if not re.fullmatch(one["parameters"]["name"]["pattern"], path.removeprefix("/v2/")):
        return f"{path} names no worker pool"
    if unknown := set(query) - set(one["parameters"]) - set(said["parameters"]):
        return f"{method} has no parameters {unknown}"
    if (body is None) != ("request" not in one):
        return f"{method} and its body don't fit"
    return "" if body is None else _misfit(body, {"$ref": one["request"]["$ref"]}, "")


def _misfit(value: Any, schema: Mapping[str, Any], at: str) -> str:
    schemas = document("run.v2")["schemas"]
    schema = schemas[schema["$ref"]] if "$ref" in schema else schema
    kinds = {"object": dict, "string": str, "integer": int, "boolean": bool, "array": list}
    if not isinstance(value, kinds[schema["type"]]):
        return f"{at} is no {schema['type']}"
    if isinstance(value, dict):
        for name, one in value.items():
            if name not in schema["properties"]:
                return f"there is no {at}.{name}"
            if why := _misfit(one, schema["properties"][name], f"{at}.{name}"):
                return why
    return ""


@contextmanager
def cloud_run(**counts: int) -> Iterator[CloudRun]:
    """Run the server, with pools of these short names."""
    pools = CloudRun(counts={PREFIX + name: count for name, count in counts.items()})

    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            status, said = pools.answer(self.command, self.path, body)
            text = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_PATCH = do_POST = do_PUT = _do  # noqa: N815 (the library's names)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    pools.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield pools
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
