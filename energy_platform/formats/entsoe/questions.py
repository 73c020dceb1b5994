"""ENTSO-E's Transparency Platform as a provider: its limits, its questions, what it refuses.

What a document says is read elsewhere.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from energy_platform.encodings.xml_document import read_xml
from energy_platform.errors import FeedError, ParseError, RefusedError
from energy_platform.formats.entsoe.elements import ACKNOWLEDGEMENT_ROOT, reasons
from energy_platform.market.provider import Provider, Rate

ENTSOE: Final = Provider(
    name="ENTSO-E",
    rates=(Rate(300, per=timedelta(minutes=1)),),  # a token may ask 400
    ban=timedelta(minutes=10),
)
TERMS: Final = "ENTSO-E Transparency Platform terms: free with attribution; some data CC BY 4.0"
_MARKET_TIME: Final = ZoneInfo("Europe/Brussels")
_NOTHING: Final = "no matching data found"
_TROUBLE: Final = re.compile(
    r"unavailable|unexpected|internal|temporar|time-?d? ?out|try again|later|maintenance",
    re.IGNORECASE,
)
"""Words of a reason that blame the platform and not the question."""
_HEAD_BYTES: Final = 2_000
# These elements differ between two answers of the same content, since each is a new document.
_MADE_ANEW: Final = re.compile(rb"<(?:\w+:)?(mRID|createdDateTime)>[^<]*</(?:\w+:)?\1>", re.ASCII)


def window(start: datetime, end: datetime) -> dict[str, str]:
    """Return the parameters that ask for `start` to `end`.

    The window begins with a quarter of a day (UTC) and ends with an hour, so that the question
    stays the same for a while, and late values are fetched too.
    """
    first = start.replace(hour=start.hour // 6 * 6, minute=0, second=0, microsecond=0)
    last = (end + timedelta(hours=1, microseconds=-1)).replace(minute=0, second=0, microsecond=0)
    return {"periodStart": _stamp(first), "periodEnd": _stamp(last)}


def market_days(start: datetime, end: datetime) -> dict[str, str]:
    """Return the parameters that ask for the market days of `start` to the day after `end`'s."""
    first, last = (at.astimezone(_MARKET_TIME).date() for at in (start, end))
    midnights = (
        datetime(day.year, day.month, day.day, tzinfo=_MARKET_TIME)
        for day in (first, last + timedelta(days=2))
    )
    return dict(zip(("periodStart", "periodEnd"), map(_stamp, midnights), strict=True))


def _stamp(instant: datetime) -> str:
    """Return an instant as the platform's parameters write it."""
    return f"{instant.astimezone(UTC):%Y%m%d%H%M}"


def is_answer(_status: int, body: bytes) -> bool:
    """Return whether a reply is to be landed; false if it says that there is no data (yet).

    Raises:
        RefusedError: It is an acknowledgement that refuses the question.
        FeedError: It is an acknowledgement that blames the platform, or can't be read.
    """
    if ACKNOWLEDGEMENT_ROOT.encode() not in body[:_HEAD_BYTES]:
        return True
    try:
        said = reasons(read_xml(body))
    except ParseError as error:
        raise FeedError(f"an acknowledgement that can't be read: {error}") from error
    if _NOTHING in said.lower():
        return False
    raise FeedError(said) if _TROUBLE.search(said) else RefusedError(said)


def essence(body: bytes) -> bytes:
    """Return a document without its own name and time of creation.

    Every answer has new ones, even if it says the same as the last answer.
    """
    return _MADE_ANEW.sub(b"", body[:_HEAD_BYTES], count=2) + body[_HEAD_BYTES:]
