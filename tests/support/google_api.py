"""A local server that takes requests for one of Google's REST APIs, and holds them to its document.

The documents come with `google-api-python-client`: they say which paths there are, and which fields
and types a body has. A request that the API would refuse for its form fails the test.
"""

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any, Final
from urllib.parse import unquote, urlsplit

_CLIENT: Final = "googleapiclient.discovery_cache"
_TYPES: Final[Mapping[str, type | tuple[type, ...]]] = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "object": dict,
    "array": list,
    "any": object,
}


@dataclass(frozen=True)
class Asked:
    """A request in the API's terms."""

    method: str
    path: str
    body: Any


Answer = Callable[[Asked], Any]
"""What the API answers to a request; an integer is a status without a body."""


@dataclass
class GoogleApi:
    """An API by its document, and what it was asked for.

    Attributes:
        document: The discovery document.
        asked: The requests that have the right form.
        faults: What is wrong with the others.
    """

    document: Mapping[str, Any]
    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @classmethod
    def named(cls, name: str) -> "GoogleApi":
        """Return an API such as `run.v2`."""
        return cls(json.loads((files(_CLIENT) / "documents" / f"{name}.json").read_text()))

    def understood(self, verb: str, path: str, body: bytes) -> Asked | None:
        """Return a request in the API's terms; None if its form is wrong."""
        method = next(
            (
                one
                for one in _methods(self.document)
                if one["httpMethod"] == verb and _matches(one["flatPath"], path)
            ),
            None,
        )
        if method is None:
            self.faults.append(f"no method is {verb} {path}")
            return None
        said = json.loads(body) if body else None
        if "request" in method:
            found = [*self.wrong(said, method["request"])]
        else:
            found = ["it has a body"] if said else []
        self.faults += [f"{method['id']}: {one}" for one in found]
        asked = Asked(method["id"].partition(".")[2], path, said)
        if not found:
            self.asked.append(asked)
        return None if found else asked

    def wrong(self, value: Any, schema: Mapping[str, Any], where: str = "body") -> Iterator[str]:
        """Yield what the document does not allow of a value."""
        schema = self.document["schemas"][schema["$ref"]] if "$ref" in schema else schema
        kind = schema["type"]
        if "enum" in schema and isinstance(value, int) and 0 <= value < len(schema["enum"]):
            return  # the API takes the number of a name, too
        is_number = kind in ("integer", "number")
        if not isinstance(value, _TYPES[kind]) or (is_number and isinstance(value, bool)):
            yield f"{where} is no {kind}: {value!r}"
        elif kind == "array":
            for place, one in enumerate(value):
                yield from self.wrong(one, schema["items"], f"{where}[{place}]")
        elif kind == "object":
            for name, one in value.items():
                known = schema.get("properties", {}).get(name, schema.get("additionalProperties"))
                if known is None:
                    yield f"{where} has no field {name!r}"
                else:
                    yield from self.wrong(one, known, f"{where}.{name}")
        elif "enum" in schema and value not in schema["enum"]:
            yield f"{where} is none of {schema['enum']}: {value!r}"


def _methods(resource: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from resource.get("methods", {}).values()
    for one in resource.get("resources", {}).values():
        yield from _methods(one)


def _matches(template: str, path: str) -> bool:
    pattern = re.sub(r"\\\{[^}]+\\\}", "[^/]+", re.escape(template))
    return re.fullmatch(pattern, path) is not None


@contextmanager
def serving(name: str, answer: Answer) -> Iterator[GoogleApi]:
    """Serve an API on a local socket; requests of a wrong form get a 400."""
    api = GoogleApi.named(name)

    class Handler(BaseHTTPRequestHandler):
        def _handle(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            path = unquote(urlsplit(self.path).path).lstrip("/")
            asked = api.understood(self.command, path, body)
            said = 400 if asked is None else answer(asked)
            status, text = (
                (said, b"{}") if isinstance(said, int) else (200, json.dumps(said).encode())
            )
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _handle  # noqa: N815 (http.server's names)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (http.server's name)
            """Write nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    api.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
