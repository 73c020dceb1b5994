"""What AWS puts around a notification: the SNS envelope, and the S3 event inside it.

Text to values, pure. `signature` decides whether an envelope can be trusted.
"""

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote_plus

from energy_platform.encodings.json_reply import json_object
from energy_platform.errors import ParseError

_EVENT_MAJOR_VERSION: Final = "2"
_TEST_EVENT: Final = "s3:TestEvent"


@dataclass(frozen=True, slots=True, kw_only=True)
class S3ObjectCreated:
    """An object, or a new version of it, appeared in a bucket."""

    bucket: str
    key: str
    etag: str


def s3_objects_created(body: str) -> list[S3ObjectCreated]:
    """Return the objects that a queued notification announces, wrapped by SNS or delivered raw.

    Empty for the test event that S3 sends when notifications are set up, and for a removal.

    Raises:
        ParseError: The notification is no S3 event of a known version.
    """
    event = json_object(body)
    if event.get("Type") == "Notification":
        event = json_object(str(event.get("Message", "")))
    if event.get("Event") == _TEST_EVENT:
        return []
    records = event.get("Records")
    if not isinstance(records, list):
        raise ParseError("the notification holds no S3 event records")
    try:
        return [
            _object_created(record)
            for record in records
            if record["eventName"].removeprefix("s3:").startswith("ObjectCreated:")
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise ParseError(f"an S3 event record lacks or misuses {error}") from None


def _object_created(record: dict[str, Any]) -> S3ObjectCreated:
    version = str(record["eventVersion"])
    if version.split(".", maxsplit=1)[0] != _EVENT_MAJOR_VERSION:
        raise ParseError(f"S3 event version {version} is unknown")
    bucket, described = record["s3"]["bucket"], record["s3"]["object"]
    return S3ObjectCreated(
        bucket=bucket["name"],
        key=unquote_plus(described["key"]),
        etag=str(described.get("eTag", "")),
    )
