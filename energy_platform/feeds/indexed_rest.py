"""REST with an index: each question names an instant, and an index names the file that has it.

The feed looks up the file just before it asks for it. So questions are a pure function of their
window, as with any polled feed.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from http import HTTPStatus
from zoneinfo import ZoneInfo

from energy_platform.errors import ParseError
from energy_platform.feeds.http import place
from energy_platform.feeds.polling import Answer, Ask
from energy_platform.feeds.progress import Marks
from energy_platform.feeds.rest import RestFeed, RestRequest
from energy_platform.market.feed import FeedSession, UnfitAnswerError

_MIDWEEK = timedelta(days=3, hours=12)


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedRequest(RestRequest):
    """A question for the file that holds an instant.

    Attributes:
        url: The file's address, with `{name}` in the place of its name in the index.
        index_url: The index's address.
        holds: An instant well inside the file.
    """

    index_url: str
    holds: datetime

    @property
    def key(self) -> str:
        """The file's address without its name, and the instant that it holds."""
        return f"{self.url}@{self.holds.isoformat()}"


@dataclass(frozen=True, kw_only=True)
class IndexedRestFeed(RestFeed):
    """Polls files that an index lists by the instants at which they begin.

    The index may be older or newer than the files. A file that the index does not list, or that is
    listed and absent, is not published yet.

    Attributes:
        absent: Statuses of an index or file that is not there.
        index: Reads an index: each file's name, and the instant at which the file begins.
        length: The greatest length of a file; an instant that no listed file reaches is in none.
    """

    absent: frozenset[HTTPStatus] = frozenset({HTTPStatus.NOT_FOUND})
    index: Callable[[bytes], Sequence[tuple[str, datetime]]]
    length: timedelta

    @asynccontextmanager
    async def connection(self, session: FeedSession) -> AsyncIterator[Ask[RestRequest]]:
        """Open a client that looks up every file first; an index is kept for half a round."""
        indexes: dict[str, tuple[float, Sequence[tuple[str, datetime]]]] = {}
        now = asyncio.get_running_loop().time

        async with super().connection(session) as ask:

            async def listed(url: str) -> Sequence[tuple[str, datetime]]:
                fresh_until, files = indexes.get(url, (0.0, ()))
                if now() >= fresh_until:
                    answer = await ask(RestRequest(url=url), {})
                    await session.turn(self.provider)
                    files = self._files(answer, url)
                    indexes[url] = (now() + session.wall_seconds(self.every / 2), files)
                return files

            async def ask_for_file(request: RestRequest, known: Marks) -> Answer:
                if not isinstance(request, IndexedRequest):
                    return await ask(request, known)
                name = self._name(await listed(request.index_url), request.holds)
                if name is None:
                    return Answer(message=None)
                return await ask(replace(request, url=request.url.format(name=name)), known)

            yield ask_for_file

    def _files(self, answer: Answer, url: str) -> Sequence[tuple[str, datetime]]:
        """Read an index; an absent index lists nothing."""
        if answer.message is None:
            return ()
        try:
            return self.index(answer.message.body)
        except ParseError as error:
            raise UnfitAnswerError(f"{place(url)} is no index: {error}", answer.message) from error

    def _name(self, files: Sequence[tuple[str, datetime]], instant: datetime) -> str | None:
        """Return the name of the last file that begins by an instant and reaches it, if any."""
        begun = [(start, name) for name, start in files if start <= instant < start + self.length]
        return max(begun)[1] if begun else None


def weekly(
    index_url: str, url: str, start: datetime, end: datetime, zone: str
) -> Iterator[IndexedRequest]:
    """Yield a question for the file of each local week, Monday to Sunday, that a window touches."""
    first, last = (at.astimezone(ZoneInfo(zone)).date() for at in (start, end))
    monday = first - timedelta(days=first.weekday())
    while monday <= last:
        midweek = datetime.combine(monday, time(), ZoneInfo(zone)) + _MIDWEEK
        yield IndexedRequest(url=url, index_url=index_url, holds=midweek)
        monday += timedelta(days=7)
