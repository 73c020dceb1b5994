"""The errors that reach a user, each with a message of one line.

Anything that a caller is expected to handle is here. Errors private to one module stay in it.
"""


class EnergyPlatformError(Exception):
    """Base of every error whose message is meant to be read by a user."""


class UsageError(EnergyPlatformError):
    """What was asked cannot be: an unknown source, a missing file, a bad setting."""


class UnknownSourceError(UsageError):
    """No market source or table has this name."""


class SourceDefinitionError(UsageError):
    """A source's module says something that can't be; the message names the field and the mend."""


class ParseError(EnergyPlatformError):
    """A payload is not in the provider's format; the message says where it departs from it."""


class ContextMissingError(ParseError):
    """A payload does not say what it is, and its context does not either.

    Args:
        name: What of the context is missing, e.g. `bzn`.
    """

    def __init__(self, name: str) -> None:
        super().__init__(f"the payload doesn't say what it is, and its context has no {name!r}")
        self.name = name


class FeedError(EnergyPlatformError):
    """A provider could not be reached or refused to answer; the feed may try again.

    Args:
        message: What happened, without any secret.
        retry_after_seconds: How long the provider asked us to stay away, if it said so.
    """

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class UnreachableError(FeedError):
    """There is no connection to the provider, whatever it would be asked."""


class RefusedError(FeedError):
    """The provider refuses this one question, for good as far as it says; it may answer others."""


class FencedError(EnergyPlatformError):
    """Another writer has taken over this log; this one must stop writing."""


class CommitConflictError(EnergyPlatformError):
    """Another writer committed to this table first; read its state again before the next try."""


class IncompatibleTableError(EnergyPlatformError):
    """A column's type isn't the one that the table was made with, or none that it can hold."""


class WarehouseUnavailableError(EnergyPlatformError):
    """The warehouse's service, or the way to it, is down, or too much was asked at once.

    It may answer later; what was asked for is not done, or is found to be done by the next try.
    """


class HotStoreUnavailableError(EnergyPlatformError):
    """The hot store does not answer, or not as one that works; it can be asked again later."""


class DamagedFileError(EnergyPlatformError):
    """A file of the home folder is damaged: it has been set aside, and the next use begins anew."""


class ReplayOvertakenError(EnergyPlatformError):
    """Another replay of the same table has begun; what is left to do is left to it."""
