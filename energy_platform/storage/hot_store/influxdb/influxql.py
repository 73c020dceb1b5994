r"""InfluxQL, the query language that InfluxDB 1.x, 2.x and 3.x share: quoting, and reading answers.

https://docs.influxdata.com/influxdb/v1/query_language/spec/
"""

import json
from collections.abc import Iterable, Mapping
from typing import Final

import polars as pl

_IDENTIFIER: Final = str.maketrans({'"': r"\"", "\\": r"\\", "\n": r"\n"})
_STRING: Final = str.maketrans({"'": r"\'", "\\": r"\\", "\n": r"\n"})


class StatementError(Exception):
    """The server refused a statement; the message is the server's."""


def identifier(name: str) -> str:
    """Return a name as InfluxQL quotes it, whatever characters it has."""
    return f'"{name.translate(_IDENTIFIER)}"'


def string(text: str) -> str:
    """Return a text as InfluxQL quotes it."""
    return f"'{text.translate(_STRING)}'"


def rows(answer: Iterable[bytes], schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Return the rows of a chunked answer, in the columns of `schema`.

    CSV would be quicker to read, but it does not say that a statement failed.

    Raises:
        StatementError: The statement failed, at once or half-way.
    """
    columns = list(schema)
    frames = [pl.DataFrame(schema=schema)]
    for chunk in answer:
        for result in json.loads(chunk).get("results", []):
            if "error" in result:
                raise StatementError(str(result["error"]))
            for series in result.get("series", []):
                frame = pl.DataFrame(
                    series["values"],
                    schema={name: schema.get(name, pl.String()) for name in series["columns"]},
                    orient="row",
                    strict=False,
                )
                frames.append(frame.select(columns))
    return pl.concat(frames)
