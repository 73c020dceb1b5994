"""A Postgres, and a PgBouncer in transaction mode before it, as processes to be killed and started.

Both refuse to run as root, so a test that does gives them to an unprivileged user.
"""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import psutil
import psycopg2

from tests.support.feeds import free_ports

MISSING = "no Postgres: `apt-get install postgresql` brings one"
NO_BOUNCER = "no PgBouncer: `apt-get install pgbouncer` brings one"
PASSWORD = "not@secret/here"
_IN_A_URL = "not%40secret%2Fhere"
_PATIENCE_SECONDS = 60.0


def postgres_folder() -> Path | None:
    """Return the folder of this machine's Postgres programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    beside = shutil.which("initdb")
    return found[-1].parent if found else Path(beside).resolve().parent if beside else None


def bouncer_program() -> str | None:
    """Return this machine's PgBouncer."""
    return shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")


def _unprivileged() -> list[str]:
    """Return what a command begins with, so that it runs as no root and ends with this process."""
    ends = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
    user = pwd.getpwnam("nobody")
    other = ["--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups"]
    return ends if os.getuid() else ["setpriv", "--pdeathsig", "KILL", *other]


@contextmanager
def _folder() -> Iterator[Path]:
    """Make a folder that the unprivileged user can reach; pytest's are for this user alone."""
    with tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as name:
        if not os.getuid():
            shutil.chown(name, "nobody")
        yield Path(name)


@dataclass
class _Server:
    """A process that listens on a port, the same one after each start."""

    folder: Path
    port: int = field(default_factory=lambda: next(iter(free_ports(1))))
    _process: subprocess.Popen[bytes] | None = None

    def command(self) -> Sequence[str]:
        """Return what starts it."""
        raise NotImplementedError

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*_unprivileged(), *self.command()],
                cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        give_up_at = time.monotonic() + _PATIENCE_SECONDS
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > give_up_at:
                code = self._process.poll()
                self.kill()
                said = (self.folder / "log").read_text()[-2000:]
                raise RuntimeError(f"exit code {code}: {said}")
            time.sleep(0.02)

    def kill(self) -> None:
        """End it at once with all its children, as a lost machine would."""
        if self._process is not None:
            if self._process.poll() is None:
                family = self._family()
                for one in family:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        one.kill()
                psutil.wait_procs(family[1:], timeout=_PATIENCE_SECONDS)
            self._process.wait(timeout=_PATIENCE_SECONDS)
            self._process = None

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Let it hang while the context lasts: it takes connections and says nothing."""
        family = self._family()
        for one in family:
            with contextlib.suppress(psutil.NoSuchProcess):  # a connection may end meanwhile
                one.suspend()
        try:
            yield
        finally:
            for one in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.resume()

    def _family(self) -> list[psutil.Process]:
        """Return its process and those of its connections, which are in sessions of their own."""
        assert self._process is not None
        parent = psutil.Process(self._process.pid)
        return [parent, *parent.children(recursive=True)]

    def url(self, database: str = "postgres") -> str:
        """Return the address of one of its databases."""
        return f"postgresql://desk:{_IN_A_URL}@127.0.0.1:{self.port}/{database}"

    def answers(self) -> bool:
        """Return whether it takes statements."""
        with contextlib.suppress(psycopg2.OperationalError):
            self.execute("SELECT 1")
            return True
        return False

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Execute a statement on a connection of its own; return the rows."""
        with contextlib.closing(
            psycopg2.connect(self.url(database), connect_timeout=10)
        ) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return list(cursor.fetchall()) if cursor.description else []


@dataclass
class PostgresServer(_Server):
    """The database server.

    Attributes:
        options: Its settings; commits are not synced to the disk, since no test cuts the power.
    """

    options: Sequence[str] = ("fsync=off",)

    def initialize(self) -> None:
        """Make its data folder."""
        password, programs = self.folder / "password", postgres_folder()
        assert programs is not None
        password.write_text(PASSWORD)
        password.chmod(0o644)
        subprocess.run(
            [*_unprivileged(), str(programs / "initdb"), "--pgdata", str(self.folder / "data"),
             "--username", "desk", "--pwfile", str(password), "--auth", "scram-sha-256",
             "--encoding", "UTF8", "--locale", "C", "--no-sync"],
            cwd=self.folder, check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip

    def command(self) -> Sequence[str]:
        """Return what starts it."""
        programs = postgres_folder()
        assert programs is not None
        options = [
            f"port={self.port}", "listen_addresses=127.0.0.1",
            f"unix_socket_directories={self.folder}", *self.options,
        ]  # fmt: skip
        given = [part for option in options for part in ("-c", option)]
        return [str(programs / "postgres"), "-D", str(self.folder / "data"), *given]

    def new_database(self, like: str = "template1") -> str:
        """Create a database; return its name."""
        name = f"energy_{uuid4().hex}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {like}")
        return name


@dataclass
class PgBouncer(_Server):
    """A PgBouncer with one connection for every ten clients.

    Attributes:
        server: The Postgres behind it.
    """

    server: PostgresServer | None = None
    connections: int = 10

    def command(self) -> Sequence[str]:
        """Return what starts it."""
        assert self.server is not None
        users, file = self.folder / "users", self.folder / "pgbouncer.ini"
        users.write_text(f'"desk" "{PASSWORD}"\n')
        file.write_text(
            "[databases]\n"
            f"* = host=127.0.0.1 port={self.server.port}\n"
            "[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {self.port}\nunix_socket_dir =\n"
            f"auth_type = scram-sha-256\nauth_file = {users}\n"
            f"pool_mode = transaction\ndefault_pool_size = {self.connections}\n"
            "max_client_conn = 500\nserver_login_retry = 1\n"
        )
        program = bouncer_program()
        assert program is not None
        for one in (users, file):
            one.chmod(0o644)  # whatever umask a test before has left
        return [program, str(file)]


@contextmanager
def postgres_server(options: Sequence[str] = ("fsync=off",)) -> Iterator[PostgresServer]:
    """Run a Postgres until the context ends."""
    with _folder() as folder:
        server = PostgresServer(folder, options=options)
        server.initialize()
        server.start()
        try:
            yield server
        finally:
            server.kill()


@contextmanager
def pgbouncer(server: PostgresServer, connections: int = 10) -> Iterator[PgBouncer]:
    """Run a PgBouncer before a Postgres until the context ends."""
    with _folder() as folder:
        bouncer = PgBouncer(folder, server=server, connections=connections)
        bouncer.start()
        try:
            yield bouncer
        finally:
            bouncer.kill()
