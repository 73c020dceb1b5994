"""A chat's webhook on a real socket, which may refuse, or hang."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Webhook:
    """A chat's side of a webhook, on a real socket.

    Attributes:
        status: What it answers.
        bodies: What has been posted to it.
    """

    port: int = 0
    status: int = 200
    bodies: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    answering: threading.Event = field(default_factory=threading.Event)


@contextmanager
def served_webhook() -> Iterator[Webhook]:
    hook = Webhook()
    hook.answering.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            hook.answering.wait(30)
            hook.paths.append(self.path)
            if hook.status == 200:
                hook.bodies.append(body)
            self.send_response(hook.status)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hook.port = server.server_port
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield hook
    hook.answering.set()
    server.shutdown()
    server.server_close()
    thread.join()
