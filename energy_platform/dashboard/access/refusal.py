"""A refusal: why a request goes no further, as the answer that says so."""

from collections.abc import Mapping

from starlette.responses import JSONResponse


class Refused(Exception):  # noqa: N818 (it is an answer, not a fault)
    """A request goes no further.

    Args:
        status: The HTTP status of the answer.
        name: The kind of refusal, for programs.
        message: The reason, for people.
        headers: What else the answer says, e.g. when to come back.
    """

    def __init__(
        self, status: int, name: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.name = name
        self.message = message
        self.headers = headers

    def answer(self) -> JSONResponse:
        """Return the answer."""
        return JSONResponse(
            {"error": self.message, "name": self.name}, self.status, headers=self.headers
        )


class NotLoggedIn(Refused):
    """Nobody is known to ask."""

    def __init__(self, message: str = "log in first") -> None:
        super().__init__(401, "not_logged_in", message, {"WWW-Authenticate": "Bearer"})
