"""SNS as an HTTP endpoint meets it: real signatures, the confirmation handshake, retries.

moto pushes too, but leaves the subject out of what it signs, never asks for confirmation and
never tries again; so this stands in for it where topics push. What is published, and when, is the
provider's business.
"""

import asyncio
import base64
import hashlib
import json
import ssl
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Final

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

_HASHES: Final[Mapping[str, hashes.HashAlgorithm]] = {
    "1": hashes.SHA1(),  # noqa: S303 (as Amazon signs by default)
    "2": hashes.SHA256(),
}
_SIGNED: Final = ("Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token")
_SIGNED_LAST: Final = ("TopicArn", "Type")
_KEY_BITS: Final = 2048
_NOT_THE_ENDPOINT: Final = {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}
"""What another server answers that has taken the port of an endpoint that was killed."""


@dataclass(kw_only=True)
class SnsSender:
    """One topic that pushes to one endpoint.

    Attributes:
        topic_arn: The topic.
        endpoint: Says where it pushes to; nothing while nobody listens.
        signature_version: "1" (SHA-1, Amazon's default) or "2" (SHA-256).
        retries: How often a push that failed is tried again.
        retry_seconds: The pause before each.
        confirmed: Set once the endpoint has confirmed the subscription.
    """

    topic_arn: str
    endpoint: Callable[[], str | None]
    signature_version: str = "1"
    retries: int = 3
    retry_seconds: float = 20.0
    confirmed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65_537, key_size=_KEY_BITS)
        self._certificate = self_signed(self._key)
        # Another key, another name: whoever keeps certificates by their address keeps this one.
        digest = hashlib.md5(self._certificate, usedforsecurity=False).hexdigest()
        self._pem_name = f"SimpleNotificationService-{digest}.pem"
        self._token = uuid.uuid4().hex
        self._tls = ssl.create_default_context()  # takes longer to make than a push does

    @property
    def host(self) -> str:
        """The real address of SNS in the topic's region, which `routes` stand in for."""
        return f"https://sns.{self.topic_arn.split(':')[3]}.amazonaws.com"

    def routes(self) -> Sequence[Route]:
        """Return what SNS serves itself: its certificate, and the confirmation of subscriptions."""

        async def certificate(_request: Request) -> Response:
            return PlainTextResponse(self._certificate)

        async def action(request: Request) -> Response:
            asked = request.query_params
            expected = {
                "Action": "ConfirmSubscription",
                "TopicArn": self.topic_arn,
                "Token": self._token,
            }
            if dict(asked) != expected:
                return PlainTextResponse("InvalidParameter", HTTPStatus.BAD_REQUEST)
            self.confirmed.set()
            return PlainTextResponse("<ConfirmSubscriptionResponse/>", media_type="text/xml")

        return [Route(f"/{self._pem_name}", certificate), Route("/", action)]

    async def subscribe(self) -> int:
        """Ask the endpoint to confirm; return the status that it answered."""
        return await self.push(
            self.signed(
                {
                    "Type": "SubscriptionConfirmation",
                    "Token": self._token,
                    "Message": f"You have chosen to subscribe to the topic {self.topic_arn}.\n"
                    "To confirm the subscription, visit the SubscribeURL included in this message.",
                    "SubscribeURL": f"{self.host}/?Action=ConfirmSubscription"
                    f"&TopicArn={self.topic_arn}&Token={self._token}",
                }
            )
        )

    async def publish(self, message: str, *, subject: str | None = None) -> int:
        """Push a notification until it is taken or the retries are used up; return the status."""
        fields = {"Type": "Notification", "Message": message}
        if subject is not None:
            fields["Subject"] = subject
        return await self.push(self.signed(fields))

    def signed(self, fields: Mapping[str, str]) -> dict[str, str]:
        """Return an envelope: `fields`, what SNS adds to every message, and the signature."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        envelope = {
            "MessageId": str(uuid.uuid4()),
            "TopicArn": self.topic_arn,
            "Timestamp": now,
            "SignatureVersion": self.signature_version,
            "SigningCertURL": f"{self.host}/{self._pem_name}",
            **fields,
        }
        names = [name for name in (*_SIGNED, *_SIGNED_LAST) if name in envelope]
        text = "".join(f"{name}\n{envelope[name]}\n" for name in names)
        signature = self._key.sign(
            text.encode(), padding.PKCS1v15(), _HASHES[self.signature_version]
        )
        return {**envelope, "Signature": base64.b64encode(signature).decode()}

    async def push(self, envelope: Mapping[str, str]) -> int:
        """Post an envelope; repeat it unchanged after a 429, a 5xx or no answer.

        Returns the last status.

        0 stands for no answer.
        """
        headers = {
            "Content-Type": "text/plain; charset=UTF-8",
            "User-Agent": "Amazon Simple Notification Service Agent",
            "x-amz-sns-message-type": envelope["Type"],
            "x-amz-sns-message-id": envelope["MessageId"],
            "x-amz-sns-topic-arn": envelope["TopicArn"],
        }
        status = 0
        async with httpx.AsyncClient(timeout=15.0, verify=self._tls) as client:
            for tries in range(self.retries + 1):
                if tries:
                    await asyncio.sleep(self.retry_seconds)
                status = await self._post(client, json.dumps(envelope), headers)
                if not _is_tried_again(status):
                    break
        return status

    async def _post(self, client: httpx.AsyncClient, body: str, headers: Mapping[str, str]) -> int:
        """Post once; return the status, or 0 if nobody answered."""
        endpoint = self.endpoint()
        if endpoint is None:
            return 0
        try:
            status = (await client.post(endpoint, content=body, headers=headers)).status_code
        except httpx.HTTPError:
            return 0
        return 0 if status in _NOT_THE_ENDPOINT else status


def _is_tried_again(status: int) -> bool:
    """Say whether SNS sends a message again after a status; 0 stands for no answer."""
    late = status == HTTPStatus.TOO_MANY_REQUESTS
    return late or status == 0 or status >= HTTPStatus.INTERNAL_SERVER_ERROR


def self_signed(
    key: rsa.RSAPrivateKey,
    *,
    common_name: str = "sns.amazonaws.com",
    valid_from: datetime | None = None,
    valid_for: timedelta = timedelta(days=1),
) -> bytes:
    """Return a certificate of `key` signed by itself, as PEM."""
    begin = valid_from or datetime.now(UTC) - timedelta(hours=1)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + valid_for)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM)
