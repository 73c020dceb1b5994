"""Faults of HTTP answers, for every provider that answers requests.

The provider says what a good answer, a refusal and garbage look like.
"""

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from simulator.faults import Fault, FaultKind, FaultPlan

WIRE_FAULTS: Final = (
    FaultKind.SERVER_ERROR,
    FaultKind.HANG,
    FaultKind.CUT,
    FaultKind.TRUNCATED,
    FaultKind.MALFORMED,
)
"""Faults that may strike any answer."""


@dataclass(slots=True)
class RequestGate:
    """Lets in a number of requests a second, after a burst; during a ban it refuses all.

    It counts wall time. In a market that runs at another `speed`, the rate changes as well.
    """

    requests_per_second: float
    burst: int
    speed: float = 1.0
    _banned_until: float = 0.0
    _tokens: float = field(init=False)
    _counted_at: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self._tokens = self.burst

    def refusal(self, faults: FaultPlan, source: str) -> Response | None:
        """Count a request for a market source; return 429 to refuse it, or None to let it in."""
        now = time.monotonic()
        if ban := faults.take(source, FaultKind.TOO_MANY_REQUESTS):
            self._banned_until = now + ban.seconds
        if now < self._banned_until:
            return _too_many_requests(self._banned_until - now)
        refilled = self._tokens + (now - self._counted_at) * self.requests_per_second * self.speed
        self._tokens, self._counted_at = min(refilled, float(self.burst)), now
        if self._tokens < 1:
            return _too_many_requests((1 - self._tokens) / (self.requests_per_second * self.speed))
        self._tokens -= 1
        return None


def _too_many_requests(seconds: float) -> Response:
    return PlainTextResponse(
        "Too many requests",
        HTTPStatus.TOO_MANY_REQUESTS,
        headers={"Retry-After": str(math.ceil(seconds))},
    )


class CutResponse(Response):
    """Promises the whole body, sends half of it, and hangs up."""

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Return in the middle; the server closes a connection whose answer was not finished."""
        half = bytes(self.body[: len(self.body) // 2])
        await send(
            {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        )
        await send({"type": "http.response.body", "body": half, "more_body": True})


async def struck(
    fault: Fault | None, answer: Response, *, server_error: Response, malformed: Response
) -> Response:
    """Return what a client gets of `answer` if one of `WIRE_FAULTS` strikes it."""
    match fault and fault.kind:
        case FaultKind.SERVER_ERROR:
            return server_error
        case FaultKind.MALFORMED:
            return malformed
        case FaultKind.TRUNCATED:
            half = bytes(answer.body[: len(answer.body) // 2])
            return Response(half, answer.status_code, media_type=answer.headers["content-type"])
        case FaultKind.HANG if fault is not None:
            await asyncio.sleep(fault.seconds)
            return cut(answer)
        case FaultKind.CUT:
            return cut(answer)
        case _:
            return answer


def cut(answer: Response) -> CutResponse:
    """Return an answer that breaks off half-way."""
    return CutResponse(
        bytes(answer.body), answer.status_code, media_type=answer.headers["content-type"]
    )


@dataclass(slots=True, kw_only=True)
class RestDesk:
    """Where one provider's requests are answered, and its faults acted out.

    Attributes:
        faults: What is to go wrong.
        gate: Who is let in.
        server_error: What the provider says when it is in trouble itself.
        malformed: What stands in its place while it is down.
    """

    faults: FaultPlan
    gate: RequestGate
    server_error: Callable[[], Response]
    malformed: Callable[[], Response]

    async def answer(self, source: str, good: Callable[[], Response]) -> Response:
        """Answer a request for a market source: with `good()`, unless a fault strikes."""
        return self.refusal(source) or await self.struck(source, good())

    def refusal(self, source: str) -> Response | None:
        """Count a request for a market source; return the refusal if it is not admitted."""
        return self.gate.refusal(self.faults, source)

    async def struck(self, source: str, answer: Response) -> Response:
        """Return what a client gets of an answer if a fault strikes it."""
        return await struck(
            self.faults.take(source, *WIRE_FAULTS),
            answer,
            server_error=self.server_error(),
            malformed=self.malformed(),
        )

    def bad_row(self, source: str) -> bool:
        """Say whether a row of the answer is to be spoiled; ask only where there is one."""
        return self.faults.take(source, FaultKind.BAD_ROW) is not None
