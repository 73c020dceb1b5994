"""Every setting of the platform, read from the environment in this one place.

Providers' secrets are not in this object: they are read from the environment by name when they are
used. The stores' secrets are in it, masked, so that printing it can't leak one.
"""

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple, Self
from urllib.parse import urlsplit

from pydantic import (
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from energy_platform.errors import UsageError


class Markets(StrEnum):
    """Where data comes from."""

    SIMULATED = "simulated"
    LIVE = "live"


class WarehouseKind(StrEnum):
    """Which system keeps every revision of every row."""

    DELTA = "delta"
    BIGQUERY = "bigquery"


class HotStoreKind(StrEnum):
    """Which system keeps the hot copy."""

    SQLITE = "sqlite"
    INFLUXDB = "influxdb"


class Login(StrEnum):
    """How the dashboard knows who looks at it."""

    NONE = "none"
    USERS = "users"
    OIDC = "oidc"
    PROXY = "proxy"


class ReplayRunner(StrEnum):
    """Which engine stages a replay."""

    PROCESSES = "processes"
    CLOUD_RUN = "cloud_run"
    BEAM = "beam"


class InfluxApi(StrEnum):
    """Which of InfluxDB's two write interfaces a server has."""

    V1 = "v1"
    V2 = "v2"


_UNFIT_FOR_A_HOME: Final = re.compile(r"[\[\]\\^|\x00-\x1f\x7f]|%[0-9A-Fa-f]{2}")
"""What a table's path must not contain, since Delta Lake reads it as a URL: `%20` means a blank."""


_CLOUD_RUN_JOB: Final = r"^projects/[^/]+/locations/[^/]+/jobs/[^/]+$"
_PUBSUB: Final = r"pubsub://[a-z][a-z0-9.:-]+/[A-Za-z][A-Za-z0-9._~+%-]*"
"""A Google Cloud project, and what the names of its topics begin with."""
_REDIS: Final = r"rediss?://[^/?#\s]+(/\d+)?"
"""A server that speaks Redis's protocol, who asks there, and which of its databases."""


_VARIABLE: Final = re.compile(r"[A-Z][A-Z0-9_]*")


class Address(NamedTuple):
    """Where a process listens, and where others reach it.

    Attributes:
        host: A name or an IP address.
        port: The port.
    """

    host: str
    port: int

    @classmethod
    def of(cls, said: str) -> Self:
        """Read `host:port`.

        >>> Address.of("webserver:4000"), Address.of("[::1]:4000")
        (Address(host='webserver', port=4000), Address(host='::1', port=4000))

        Raises:
            ValueError: It is something else.
        """
        place = urlsplit(f"//{said}")
        if not place.hostname or not place.port or place.netloc != said or "@" in said:
            raise ValueError(f"{said!r} is not host:port")
        return cls(place.hostname, place.port)

    def __str__(self) -> str:
        """Return the address as it stands in a URL.

        >>> str(Address("::1", 4000)), str(Address("webserver", 4000))
        ('[::1]:4000', 'webserver:4000')
        """
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _address(value: object) -> object:
    """Read `host:port`."""
    try:
        return Address.of(value) if isinstance(value, str) else value
    except ValueError:
        raise PydanticCustomError("address", "Input should be host:port") from None


ListeningAddress = Annotated[Address | None, BeforeValidator(_address)]

_WORKER_POOLS: Final = r"^projects/[^/]+/locations/[^/]+/workerPools/[a-z][a-z0-9-]*$"
"""What the full names of worker pools begin with, as Cloud Run writes them."""


_POSTGRES: Final = r"^postgresql://[^\s]*/[^/?\s]+(\?[^\s]*)?$"
"""A server and one of its databases."""

_LINGER_IN_A_FOLDER: Final = 0.2
_LINGER_IN_A_BUCKET: Final = 2.0


def _from_json(value: object) -> object:
    """Read a variable's text as JSON, so that malformed JSON is reported like any wrong setting."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        raise PydanticCustomError("json", "Input should be a JSON object") from None


@dataclass(frozen=True, slots=True)
class StatePlace:
    """Where a platform's state is.

    Attributes:
        home: The home folder, with files of which only this machine knows.
        url: The database that machines share; None if that state is in files of the home, too.
    """

    home: Path
    url: SecretStr | None = None


class Settings(BaseSettings):
    """The platform's settings; a field's environment variable is `ENERGY_PLATFORM_` and its name.

    Attributes:
        home: The one folder that holds all state.
        markets: The simulator, or the real markets.
        landing: Where raw messages land: a folder or `gs://bucket/prefix`; `home/landing` if unset.
        leases: Where collectors agree which of them owns which source: a folder, or
            `gs://bucket/prefix`; a folder of the landing zone if unset.
        warehouse: Delta Lake below `home`, or BigQuery.
        bigquery_project: The Google Cloud project that is billed and holds the dataset.
        bigquery_dataset: The dataset; it is created if it is missing.
        bigquery_location: Where the dataset is created.
        bigquery_warn_bytes: A notebook's query that scans more is logged with its price.
        bigquery_max_bytes: A notebook's query that would scan more is refused; 0 refuses none.
        bigquery_emulator: An emulator's REST address, if one is used; it gets no credentials.
        bigquery_emulator_grpc: The same emulator's Storage API, as host:port.
        hot_store: A SQLite file below `home`, or InfluxDB.
        influxdb_url: The server's address.
        influxdb_api: `v2` for 2.x and 3.x, `v1` for 1.8 and older.
        influxdb_org: The organisation; 2.x only.
        influxdb_bucket: The bucket, or for `v1` the database; it is created if it is missing.
        influxdb_token: A token, for `v2`.
        influxdb_user: A user, for `v1` with authentication.
        influxdb_password: That user's password.
        influxdb_plain: Whether a token or password may go to another machine without TLS, as in a
            network of containers that nobody else can reach.
        live_bus: Where new rows are published: `pubsub://project/topic-prefix`, or `redis://` or
            `rediss://` with the user and password of those who follow; a Valkey of the platform's
            own if unset.
        live_bus_publisher: The same server's address with the user and password of the hot lane;
            `live_bus` if unset.
        pubsub_emulator: An emulator's host:port, if one is used; it gets no credentials.
        state_url: Where the state is that several machines share, and Dagster's:
            `postgresql://user:password@host:port/database`; SQLite files below `home` if unset.
        broker_url: Address of the Celery broker: `redis://`, `rediss://`, or `redis+socket://` with
            the path of a Unix socket; a Valkey of the platform's own if unset.
        code_server_address: Where Dagster's code server listens, as host:port. It runs whatever it
            is asked to, so only the platform may reach it. A Unix socket if unset.
        webserver_address: Where Dagster's web server listens for the dashboard, as host:port. It
            asks nobody who they are, so only the dashboard may reach it. A Unix socket if unset.
        metrics_host: Where scrapes are answered.
        metrics_port: On which port; `up` uses another one if it is taken.
        simulator_host: The name or address on which the simulated market listens, and by which
            feeds reach it.
        collector_host: The name or address on which feeds listen for a simulated market's pushes.
        simulator: The folder in which a simulated market publishes its addresses; `home/simulator`
            if unset.
        addresses: A JSON object from addresses (URL prefixes) to the ones to reach, or listen on,
            instead; in a simulated market also from variables to their stand-ins.
        ca_file: Certificates that feeds trust beside the system's, e.g. a company proxy's.
        workers: How many workers there are: `up` starts so many, and a market group is split into
            so many runs at most.
        linger_seconds: How long the collector gathers a stream's messages before it writes a
            segment; if unset, 0.2 s in a folder and 2 s on Cloud Storage, which bills each object.
        batch_messages: How many messages one micro-batch takes at most.
        hot_days: How many days of points the hot store keeps.
        demo: Where `ep.demo` keeps what it has made; `home/demo` if unset.
        demo_days: How many days such a demo has.
        replay_runner: What stages a replay: processes of this machine, a Cloud Run job, or Beam.
        replay_tasks: How many processes or tasks share that work; 0 for one per core, or 20.
        replay_staged_bytes: How many bytes all staged files have together at most.
        replay_job: The Cloud Run job, as `projects/P/locations/L/jobs/J`.
        replay_beam_python: The Python that Beam is installed for.
        replay_beam_options: Beam's pipeline options, such as `--runner=DataflowRunner …`.
        simulated_days: How many days of raw messages a simulated market's home keeps; those of real
            markets are kept for good.
        runs_kept_hours: How long Dagster keeps a successful run, and an event without a run.
        failed_runs_kept_hours: How long Dagster keeps a run that failed or was ended.
        alert_urls: Where alerts go: Apprise addresses, separated by commas or blanks; never
            printed.
        alert_quarantine_percent: The share of an hour's rows in quarantine above which an alert is
            sent.
        alert_quarantine_rows: The least number of quarantined rows for that alert.
        alert_reminder_hours: After how long an unresolved incident is sent again.
        scale_pools: What the full names of Cloud Run's worker pools begin with that `scale` sets:
            `projects/…/locations/…/workerPools/energy-`, before `worker` and `collector`.
        scale_workers_least: How many workers `scale` keeps at least.
        scale_workers_most: How many at most.
        scale_collectors_least: How many collectors it keeps at least.
        scale_collectors_most: How many at most.
        scale_calm_seconds: How long fewer instances must have been enough before it gives one up.
        signals_known: By whose clock trading signals know a row: `received`, this platform's, or
            `published`, the provider's, which serves where the past was backfilled.
        signals_first_days: From how many days a signal's model learns at least.
        dashboard_host: Where the traders' screens listen; loopback, unless users log in.
        dashboard_port: Their usual port; another one is used if it is taken.
        dashboard_url: The address under which users reach it, if that is another one, such as a
            proxy's.
        login: How it knows who looks: not at all (on loopback alone), by a password of the user
            list, by an OIDC provider, or by a header of a trusted proxy.
        user_list: A file that holds the user list instead of the home's, and that nobody writes
            here; by default `home/access/users.json`.
        session_hours: After how long a user logs in again.
        oidc_issuer: The OIDC provider's address.
        oidc_client_id: What this platform is called there.
        oidc_client_secret: Its secret there.
        oidc_claim: Which claim of a token is the user's name in the user list.
        proxy_address: Addresses or networks of the trusted proxy, separated by commas.
        proxy_user_header: In which header it says who the user is.
        dagster_read_only: Whether nobody may change anything in the Dagster UI.
        log_level: The least severity that the processes log.
        secret_files: A folder with a file for each variable that is a secret, named as the
            variable, at any depth; a variable that is set counts instead.
    """

    model_config = SettingsConfigDict(env_prefix="ENERGY_PLATFORM_", frozen=True)

    home: Path = Path(".energy_platform")
    markets: Markets = Markets.SIMULATED
    landing: str | None = None
    leases: str | None = None
    warehouse: WarehouseKind = WarehouseKind.DELTA
    bigquery_project: str | None = None
    bigquery_dataset: str = Field(default="energy", pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,1000}$")
    bigquery_location: str = "EU"
    bigquery_warn_bytes: int = Field(default=10 * 2**30, ge=0)
    bigquery_max_bytes: int = Field(default=2**40, ge=0)
    bigquery_emulator: str | None = None
    bigquery_emulator_grpc: str | None = None
    hot_store: HotStoreKind = HotStoreKind.SQLITE
    influxdb_url: str | None = None
    influxdb_api: InfluxApi = InfluxApi.V2
    influxdb_org: str | None = None
    influxdb_bucket: str = Field(default="energy", min_length=1)
    influxdb_token: SecretStr | None = None
    influxdb_user: str | None = None
    influxdb_password: SecretStr | None = None
    influxdb_plain: bool = False
    live_bus: str | None = Field(default=None, pattern=f"^({_PUBSUB}|{_REDIS})$", repr=False)
    live_bus_publisher: str | None = Field(default=None, pattern=f"^{_REDIS}$", repr=False)
    pubsub_emulator: str | None = None
    state_url: SecretStr | None = None
    broker_url: str | None = Field(default=None, repr=False)  # may hold a password
    code_server_address: ListeningAddress = None
    webserver_address: ListeningAddress = None
    metrics_host: str = Field(default="127.0.0.1", min_length=1)
    metrics_port: int = Field(default=9464, ge=1, le=65_535)
    simulator_host: str = Field(default="127.0.0.1", min_length=1)
    collector_host: str = Field(default="127.0.0.1", min_length=1)
    simulator: Path | None = None
    addresses: Annotated[dict[str, str], NoDecode, BeforeValidator(_from_json)] = Field(
        default_factory=dict
    )
    ca_file: Path | None = None
    workers: int = Field(default=2, ge=1, le=64)
    linger_seconds: float | None = Field(default=None, ge=0, le=60)
    batch_messages: int = Field(default=20_000, ge=1)
    hot_days: int = Field(default=14, ge=1)
    demo: Path | None = None
    demo_days: int = Field(default=90, ge=1, le=366)
    replay_runner: ReplayRunner = ReplayRunner.PROCESSES
    replay_tasks: int = Field(default=0, ge=0, le=1000)
    replay_staged_bytes: int = Field(default=4 * 2**30, ge=2**20)
    replay_job: str | None = Field(default=None, pattern=_CLOUD_RUN_JOB)
    replay_beam_python: Path = Path(".venv-beam/bin/python")
    replay_beam_options: str = ""
    simulated_days: int = Field(default=3, ge=1)
    runs_kept_hours: float = Field(default=2.0, gt=0)
    failed_runs_kept_hours: float = Field(default=72.0, gt=0)
    alert_urls: SecretStr = SecretStr("")
    alert_quarantine_percent: float = Field(default=5.0, ge=0, le=100)
    alert_quarantine_rows: int = Field(default=20, ge=1)
    alert_reminder_hours: float = Field(default=4.0, gt=0, le=24 * 7)
    scale_pools: str | None = Field(default=None, pattern=_WORKER_POOLS)
    scale_workers_least: int = Field(default=1, ge=1)
    scale_workers_most: int = Field(default=4, ge=1)
    scale_collectors_least: int = Field(default=1, ge=1)
    scale_collectors_most: int = Field(default=2, ge=1)
    scale_calm_seconds: float = Field(default=600.0, ge=0)
    signals_known: Literal["received", "published"] = "received"
    signals_first_days: float = Field(default=21.0, gt=0, le=3_650)
    dashboard_host: str = Field(default="127.0.0.1", min_length=1)
    dashboard_port: int = Field(default=3070, ge=1, le=65_535)
    dashboard_url: str | None = Field(default=None, pattern=r"^https?://[^/?#@\s]+$")
    login: Login = Login.NONE
    user_list: Path | None = None
    session_hours: float = Field(default=12.0, gt=0, le=24 * 7)
    oidc_issuer: str | None = Field(default=None, pattern=r"^https?://[^?#@\s]+$")
    oidc_client_id: str | None = None
    oidc_client_secret: SecretStr | None = None
    oidc_claim: str = Field(default="email", min_length=1)
    proxy_address: str | None = None
    proxy_user_header: str = Field(default="X-Forwarded-User", pattern=r"^[A-Za-z0-9-]+$")
    dagster_read_only: bool = False
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    secret_files: Path | None = None

    @field_validator("home")
    @classmethod
    def _tables_can_be_in(cls, home: Path) -> Path:
        """Refuse a folder below which Delta Lake would write elsewhere, or nowhere; expand `~`."""
        home = home.expanduser()
        if unfit := _UNFIT_FOR_A_HOME.search(str(home.absolute())):
            raise PydanticCustomError(
                "home", f"Delta Lake can't keep tables in a folder with {unfit[0]!r} in its path"
            )
        return home

    @model_validator(mode="after")
    def _stores_are_wholly_described(self) -> Self:
        """Refuse a store whose settings are incomplete."""
        needed = {
            WarehouseKind.BIGQUERY: ["bigquery_project"],
            HotStoreKind.INFLUXDB: ["influxdb_url"],
        }
        for chosen in (self.warehouse, self.hot_store):
            self._require(needed.get(chosen, []), f"{chosen.value} is chosen")
        if self.hot_store is HotStoreKind.INFLUXDB and self.influxdb_api is InfluxApi.V2:
            self._require(["influxdb_token"], "influxdb is asked by its v2 API")
        for one, other in (
            ("bigquery_emulator", "bigquery_emulator_grpc"),
            ("influxdb_user", "influxdb_password"),
        ):
            for given, lacking in ((one, other), (other, one)):
                if getattr(self, given) is not None:
                    self._require([lacking], f"{variable(given)} is set")
        return self

    @field_validator("state_url")
    @classmethod
    def _is_a_postgres_database(cls, value: SecretStr | None) -> SecretStr | None:
        """Refuse what names no database; the message must not repeat it, as it has a password."""
        if value is not None and not re.match(_POSTGRES, value.get_secret_value()):
            raise PydanticCustomError(
                "postgres", "Input should be postgresql://user:password@host:port/database"
            )
        return value

    @model_validator(mode="after")
    def _bounds_have_a_count_between(self) -> Self:
        """Refuse fewer instances at most than at least."""
        for kind in ("workers", "collectors"):
            least, most = f"scale_{kind}_least", f"scale_{kind}_most"
            if getattr(self, least) > getattr(self, most):
                raise PydanticCustomError(
                    "bounds", f"{variable(least)} is more than {variable(most)}"
                )
        return self

    @field_validator("proxy_address")
    @classmethod
    def _is_a_list_of_networks(cls, value: str | None) -> str | None:
        """Refuse what is neither an address nor a network."""
        for one in (value or "").split(","):
            try:
                ip_network(one.strip() or "::1")
            except ValueError:
                raise PydanticCustomError("network", "Input should be IP addresses") from None
        return value

    @model_validator(mode="after")
    def _strangers_must_log_in(self) -> Self:
        """Refuse a dashboard that everybody could open, or a login without what it needs."""
        needed = {
            Login.OIDC: ["oidc_issuer", "oidc_client_id", "oidc_client_secret"],
            Login.PROXY: ["proxy_address"],
        }
        self._require(needed.get(self.login, []), f"the login is {self.login}")
        if not is_loopback(self.dashboard_host):
            self._require(["dashboard_url"], "the dashboard does not listen on loopback")
            if self.login is Login.NONE:
                raise PydanticCustomError(
                    "login", "without ENERGY_PLATFORM_LOGIN the dashboard listens on loopback alone"
                )
        return self

    @model_validator(mode="after")
    def _publisher_has_a_bus(self) -> Self:
        """Refuse an address for the hot lane alone, which would publish where nobody follows."""
        if self.live_bus_publisher is not None and not self.has_redis_bus:
            raise PydanticCustomError(
                "live_bus", "ENERGY_PLATFORM_LIVE_BUS_PUBLISHER needs a redis:// in"
                " ENERGY_PLATFORM_LIVE_BUS"
            )  # fmt: skip
        return self

    def _require(self, fields: Sequence[str], why: str) -> None:
        missing = [variable(field) for field in fields if not getattr(self, field)]
        if missing:
            raise PydanticCustomError("missing", f"{' and '.join(missing)} is needed, as {why}")

    @property
    def state(self) -> StatePlace:
        """Where the state is that machines may share."""
        return StatePlace(self.home, self.state_url)

    @property
    def simulator_folder(self) -> Path:
        """The folder in which a simulated market publishes its addresses and its clock."""
        return self.simulator or self.home / "simulator"

    @property
    def has_redis_bus(self) -> bool:
        """Whether the live bus is a server elsewhere that speaks Redis's protocol."""
        return (self.live_bus or "").startswith("redis")

    @property
    def has_pubsub_bus(self) -> bool:
        """Whether the live bus is Google Pub/Sub."""
        return (self.live_bus or "").startswith("pubsub")

    @property
    def live_bus_file(self) -> Path:
        """The file with the address for the live bus's followers, which only its owner may read."""
        return self.home / "run" / "live_bus.url"

    @property
    def live_bus_publisher_file(self) -> Path:
        """The file with the address for the hot lane, the one that may write to the live bus."""
        return self.home / "run" / "live_bus_publisher.url"

    @property
    def landing_url(self) -> str:
        """The landing zone's address as a URL that object stores understand."""
        return _url(self.landing or self.home / "landing")

    @property
    def linger(self) -> float:
        """How many seconds the collector gathers messages before it writes a segment."""
        if self.linger_seconds is not None:
            return self.linger_seconds
        return _LINGER_IN_A_FOLDER if self.landing_url.startswith("file:") else _LINGER_IN_A_BUCKET

    @property
    def leases_url(self) -> str | None:
        """The leases' address as such a URL, if one is set."""
        return None if self.leases is None else _url(self.leases)


def _url(place: str | Path) -> str:
    """Return a folder or an address as a URL that object stores understand."""
    if isinstance(place, str) and "://" in place:
        return place
    return Path(place).absolute().as_uri()


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches an address.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def variable(field: str) -> str:
    """Return the environment variable of a setting."""
    return f"ENERGY_PLATFORM_{field}".upper()


@cache
def settings() -> Settings:
    """Return the settings of this process, read once.

    Raises:
        UsageError: A variable has a value that can't be used; the message names it.
    """
    return current_settings()


def current_settings() -> Settings:
    """Return the settings that the environment says now, for those who outlive a change of it.

    Raises:
        UsageError: A variable has a value that can't be used; the message names it.
    """
    read_secret_files()
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = (
            [variable(str(first["loc"][0])), *map(str, first["loc"][1:])] if first["loc"] else []
        )
        raise UsageError(": ".join([*where, first["msg"]])) from None


def read_secret_files() -> None:
    """Set each variable that has a file below the folder of secrets, and is not set yet.

    So orchestrators hand over secrets that no list of processes or containers shows: Docker and
    Kubernetes as mounted files, systemd in `$CREDENTIALS_DIRECTORY`.

    Raises:
        UsageError: A file can't be read.
    """
    folder = os.environ.get(variable("secret_files"))
    for file in sorted(Path(folder).rglob("*")) if folder else ():
        if not (_VARIABLE.fullmatch(file.name) and file.is_file()):
            continue
        try:
            os.environ.setdefault(file.name, file.read_text().rstrip("\r\n"))
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"the secret {file} can't be read: {error}") from None
