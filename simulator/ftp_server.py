"""A provider's FTP server: plain, with explicit or with implicit TLS; and how files appear on it.

The provider decides what is in the files and when they appear. Each provider has its own server,
with its own folder, users and ports. All servers use one certificate; it is made at the first start
and kept in the world's folder, so that clients can trust it.
"""

import asyncio
import io
import ipaddress
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.filesystems import AbstractedFS
from pyftpdlib.handlers import FTPHandler, TLS_FTPHandler
from pyftpdlib.ioloop import IOLoop
from pyftpdlib.servers import FTPServer

from simulator.faults import FaultKind
from simulator.world import CERTIFICATE_NAME, World


@dataclass(frozen=True, slots=True, kw_only=True)
class FtpSite:
    """One provider's server.

    Attributes:
        world: Where it is.
        root: The folder that it serves.
        source_of: Returns the market source of a path; this source's faults strike the file.
        explicit: The listener where plain FTP and explicit TLS are spoken, if they are.
        implicit: The listener where TLS is spoken from the first word, if it is.
        users: Passwords by name.
        anonymous: Whether anyone may read.
    """

    world: World
    root: Path
    source_of: Callable[[str], str]
    explicit: str | None = None
    implicit: str | None = None
    users: Mapping[str, str] = field(default_factory=dict)
    anonymous: bool = False

    async def serve(self) -> None:
        """Serve until cancelled."""
        self.root.mkdir(parents=True, exist_ok=True)
        certificate(self.world)
        stop = threading.Event()
        serving = asyncio.create_task(asyncio.to_thread(self._serve, stop))
        try:
            await asyncio.shield(serving)
        finally:
            stop.set()
            await asyncio.wait([serving])

    def _serve(self, stop: threading.Event) -> None:
        """Run the servers in this thread, on a loop of their own."""
        loop = IOLoop()
        kept = {
            "world": self.world,
            "source_of": staticmethod(self.source_of),
            "authorizer": self._authorizer(),
            "abstracted_fs": _Files,
            "certfile": str(self.world.folder / CERTIFICATE_NAME),
            "keyfile": str(_private_file(self.world)),
        }
        servers = [
            FTPServer(
                self.world.listeners.socket(listener),
                type(handler.__name__, (handler,), dict(kept)),
                ioloop=loop,
            )
            for listener, handler in (
                (self.explicit, _ExplicitTlsHandler),
                (self.implicit, _ImplicitTlsHandler),
            )
            if listener is not None
        ]
        try:
            while not stop.is_set():
                loop.loop(timeout=0.1, blocking=False)
        finally:
            for server in servers:
                server.close_all()
            loop.close()

    def _authorizer(self) -> DummyAuthorizer:
        authorizer = DummyAuthorizer()
        if self.anonymous:
            authorizer.add_anonymous(str(self.root))
        for name, password in self.users.items():
            authorizer.add_user(name, password, str(self.root), perm="elr")
        return authorizer


def put(target: Path, content: bytes, at: datetime) -> None:
    """Write a file under another name and rename it, as a careful publisher does; date it `at`."""
    unfinished = target.with_name(f".{target.name}.part")
    unfinished.write_bytes(content)
    os.utime(unfinished, (at.timestamp(), at.timestamp()))
    unfinished.rename(target)


async def publish(world: World, source: str, target: Path, content: bytes, at: datetime) -> None:
    """Put a file in its place; if a fault is planned, show it half-written first."""
    if half := world.faults.take(source, FaultKind.HALF_WRITTEN_FILE):
        await asyncio.to_thread(target.write_bytes, content[: len(content) // 2])
        await asyncio.sleep(half.seconds)
    put(target, content, at)
    if world.faults.take(source, FaultKind.DUPLICATE):
        os.utime(target, (at.timestamp() + 1, at.timestamp() + 1))


def certificate(world: World) -> Path:
    """Return the file of the servers' own certificate, made at the first start under a name."""
    public, private = world.folder / CERTIFICATE_NAME, _private_file(world)
    named = x509.SubjectAlternativeName([_general_name(world.host)])
    if not _is_of(public, named):
        public.parent.mkdir(parents=True, exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, world.host)])
        now = datetime.now(UTC)
        signed = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=365))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(named, critical=False)
            .sign(key, hashes.SHA256())
        )
        private.touch(mode=0o600)
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        public.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    return public


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _is_of(file: Path, named: x509.SubjectAlternativeName) -> bool:
    """Return whether a certificate is there, and bears this name."""
    if not file.exists():
        return False
    extensions = x509.load_pem_x509_certificate(file.read_bytes()).extensions
    return extensions.get_extension_for_class(x509.SubjectAlternativeName).value == named


def _private_file(world: World) -> Path:
    return world.folder / "private.pem"


class _Files(AbstractedFS):  # type: ignore[misc] # pyftpdlib has no types
    """The folder as the sessions see it; a file's end may be kept from them."""

    def open(self, filename: str, mode: str) -> BinaryIO:
        opened: BinaryIO = super().open(filename, mode)
        session = self.cmd_channel
        if not session.world.faults.take(session.source_of(filename), FaultKind.TRUNCATED):
            return opened
        with opened:
            whole = opened.read()
        half = io.BytesIO(whole[: len(whole) // 2])
        half.name = filename
        return half


class _FaultsMixin:
    """What can go wrong when a client asks for a file."""

    world: ClassVar[World]
    source_of: ClassVar[Any]
    ioloop: Any
    respond: Any
    close: Any
    close_when_done: Any

    def ftp_RETR(self, file: str) -> object:  # noqa: N802 (the server calls it so)
        fault = self.world.faults.take(
            self.source_of(file), FaultKind.SERVER_ERROR, FaultKind.HANG, FaultKind.CUT
        )
        match fault.kind if fault is not None else None:
            case FaultKind.SERVER_ERROR:
                self.respond("450 File busy.")
            case FaultKind.HANG if fault is not None:
                self.ioloop.call_later(fault.seconds, self.close)
            case FaultKind.CUT:
                self.respond("150 File status okay. About to open data connection.")
                self.close_when_done()
            case _:
                return super().ftp_RETR(file)  # type: ignore[misc] # the server's own method
        return None


class _ExplicitTlsHandler(_FaultsMixin, TLS_FTPHandler):  # type: ignore[misc] # no types
    """Plain, or with TLS for who asks."""


class _ImplicitTlsHandler(_FaultsMixin, TLS_FTPHandler):  # type: ignore[misc] # no types
    """TLS before the first word."""

    def handle(self) -> None:
        self.secure_connection(self.ssl_context)

    def handle_ssl_established(self) -> None:
        FTPHandler.handle(self)
