"""An FTP client that takes no harm from what a server says: aioftp's, with bounds.

What the files mean, and which are taken, is decided in `ftp`.
"""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Final, cast

from aioftp import AIOFTPException, BasicListInfo, Client, Code, ListInfo
from aioftp.client import ConnType

_log = logging.getLogger(__name__)

_MOST_REPLY_LINES: Final = 1_000
"""A reply of more lines is taken for one without end."""
_REPLY_SECONDS: Final = 60.0
"""How long one reply may take, from its first line to its last."""
_SAID_OF_NOTHING: Final = PurePosixPath(".")
"""The name of a line that names no file; aioftp leaves it out of a listing."""


class FtpClient(Client):
    """aioftp's client, more careful.

    It closes the data connection also when the transfer was refused, gives up a reply without end,
    and leaves out the lines of a listing that say nothing of a file.
    """

    _data: asyncio.StreamWriter | None = None
    _reply_lines = 0

    async def get_passive_connection(
        self, conn_type: ConnType = "I", commands: Sequence[str] | None = None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a data connection, in place of the one before."""
        self._close_data()
        reader, self._data = await super().get_passive_connection(conn_type, commands)
        return reader, self._data

    def close(self) -> None:
        """Close both connections."""
        self._close_data()
        super().close()

    def _close_data(self) -> None:
        if self._data is not None:
            self._data.close()

    async def parse_response(self) -> tuple[Code, list[str]]:
        """Read a whole reply.

        Raises:
            AIOFTPException: It has too many lines.
            TimeoutError: It takes too long.
        """
        self._reply_lines = 0
        async with asyncio.timeout(_REPLY_SECONDS):
            return await super().parse_response()

    async def parse_line(self) -> tuple[Code, str]:
        """Read one line of a reply."""
        self._reply_lines += 1
        if self._reply_lines > _MOST_REPLY_LINES:
            raise AIOFTPException(f"the reply has more than {_MOST_REPLY_LINES} lines")
        return await super().parse_line()

    def parse_mlsx_line(self, b: bytes | str) -> tuple[PurePosixPath, BasicListInfo]:
        """Read a line of MLSD; one without a type says nothing of a file."""
        line = b.decode(self.encoding, errors="replace") if isinstance(b, bytes) else b
        name, facts = super().parse_mlsx_line(line)
        return name, cast("BasicListInfo", {"type": "", **facts})

    def parse_list_line(self, b: bytes) -> tuple[PurePosixPath, ListInfo]:
        """Read a line of LIST, in whatever form; one that is in no known form is left out."""
        try:
            return super().parse_list_line(b)
        except ValueError:
            _log.warning("a line of a listing is in no known form: %.100r", b)
            return _SAID_OF_NOTHING, cast("BasicListInfo", {"type": ""})
