"""Verifies that a message pushed by SNS is Amazon's: signed text, certificate and signature.

The checks are those of Amazon's own validators. The signed text is canonical; its hash is SHA-1 or
SHA-256, by the signature's version. The certificate is fetched by HTTPS from the SNS host of the
topic's region, must be in its period of validity, and must carry a name of SNS. Trust rests on that
host and its TLS certificate; the chain of the signing certificate is not followed.
"""

import asyncio
import base64
import binascii
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

import httpx
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from energy_platform.errors import FeedError
from energy_platform.market.feed import FeedSession

NOTIFICATION: Final = "Notification"
SUBSCRIPTION: Final = "SubscriptionConfirmation"
UNSUBSCRIPTION: Final = "UnsubscribeConfirmation"

_CONFIRMATION_KEYS: Final = (
    "Message",
    "MessageId",
    "SubscribeURL",
    "Timestamp",
    "Token",
    "TopicArn",
    "Type",
)
_SIGNED_KEYS: Final = {
    NOTIFICATION: ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    SUBSCRIPTION: _CONFIRMATION_KEYS,
    UNSUBSCRIPTION: _CONFIRMATION_KEYS,
}
_OPTIONAL_KEYS: Final = frozenset({"Subject"})
_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "1": hashes.SHA1(),  # noqa: S303 (Amazon's default; SHA-256 is the topic owner's choice)
    "2": hashes.SHA256(),
}
_TOPIC_ARN: Final = re.compile(
    r"arn:aws(-cn|-us-gov)?:sns:(?P<region>[a-z0-9-]{3,}):\d{12}:[\w.-]+"
)
_MAX_CERTIFICATE_BYTES: Final = 64 << 10
_CERTIFICATES_KEPT: Final = 8


class UntrustedMessageError(Exception):
    """A message can't be shown to be from the topic that it names; the message says why."""


def sns_host(topic_arn: str) -> str:
    """Return the host of SNS in a topic's region.

    >>> sns_host("arn:aws:sns:us-east-1:123901341784:NewGFSObject")
    'sns.us-east-1.amazonaws.com'

    Raises:
        UntrustedMessageError: The text is no topic's ARN.
    """
    topic = _TOPIC_ARN.fullmatch(topic_arn)
    if topic is None:
        raise UntrustedMessageError(f"{topic_arn!r:.120} is not the ARN of an SNS topic")
    region = topic["region"]
    return f"sns.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}"


def check_sns_url(url: str, topic_arn: str) -> None:
    """Check that a URL in a message leads by HTTPS to SNS in the topic's region.

    Raises:
        UntrustedMessageError: It leads somewhere else.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UntrustedMessageError(f"{url!r:.120} is no URL") from None
    expected = sns_host(topic_arn)
    if parts.scheme != "https" or parts.netloc != expected or port is not None:
        raise UntrustedMessageError(f"{url!r:.120} does not lead to https://{expected}")


def signed_text(message: Mapping[str, str]) -> bytes:
    """Return the text that SNS signs: names and values of signed fields, sorted by name.

    Raises:
        UntrustedMessageError: A field is missing, or the type of message is unknown.
    """
    kind = message.get("Type", "")
    if kind not in _SIGNED_KEYS:
        raise UntrustedMessageError(f"messages of type {kind!r:.40} are unknown")
    lines = []
    for key in _SIGNED_KEYS[kind]:
        if key in message:
            lines += [key, message[key]]
        elif key not in _OPTIONAL_KEYS:
            raise UntrustedMessageError(f"the message lacks {key}")
    return "".join(f"{line}\n" for line in lines).encode()


def check_signature(message: Mapping[str, str], certificate: x509.Certificate) -> None:
    """Check that a message was signed with a certificate's key.

    Raises:
        UntrustedMessageError: It wasn't.
    """
    algorithm = _HASHES.get(message.get("SignatureVersion", ""))
    key = certificate.public_key()
    if algorithm is None or not isinstance(key, rsa.RSAPublicKey):
        raise UntrustedMessageError("signature version or kind of key is unknown")
    try:
        signature = base64.b64decode(message.get("Signature", ""), validate=True)
        key.verify(signature, signed_text(message), padding.PKCS1v15(), algorithm)
    except (binascii.Error, InvalidSignature):
        raise UntrustedMessageError("the signature does not fit the message") from None


def check_certificate(certificate: x509.Certificate, topic_arn: str, now: datetime) -> None:
    """Check that a certificate is valid now and was issued to SNS.

    Raises:
        UntrustedMessageError: It isn't.
    """
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise UntrustedMessageError("the signing certificate is not in its period of validity")
    if _names(certificate).isdisjoint(_sns_names(sns_host(topic_arn))):
        raise UntrustedMessageError("the signing certificate was not made out to SNS")


def _names(certificate: x509.Certificate) -> set[str]:
    names = {
        str(attribute.value)
        for attribute in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    }
    try:
        alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return names
    return names | set(alternative.value.get_values_for_type(x509.DNSName))


def _sns_names(host: str) -> set[str]:
    """Return the names in SNS's certificates: a global one, and those of some newer regions."""
    domain = host.removeprefix("sns.")
    region, _, rest = domain.partition(".")
    return {
        "sns.amazonaws.com",
        host,
        f"sns-signing.{domain}",
        f"sns-{region}.{rest}",
        *(["sns-us-gov-west-1.amazonaws.com"] if region.startswith("us-gov-") else []),
    }


@dataclass
class SignatureChecker:
    """Checks messages, and caches the few certificates that sign them.

    Attributes:
        session: Resolves addresses.
        client: Fetches certificates.
        fetch_seconds: How long fetching one may take.
    """

    session: FeedSession
    client: httpx.AsyncClient
    fetch_seconds: float = 10.0
    _kept: OrderedDict[str, x509.Certificate] = field(default_factory=OrderedDict)
    _fetching: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def check(self, message: Mapping[str, str]) -> None:
        """Check that a message is from the topic that it names.

        The caller must have checked that the topic is expected, because it decides which host is
        asked for the certificate.

        Raises:
            UntrustedMessageError: It isn't.
            FeedError: The certificate can't be had now.
        """
        url, topic_arn = message.get("SigningCertURL", ""), message.get("TopicArn", "")
        check_sns_url(url, topic_arn)
        parts = urlsplit(url)
        if not parts.path.endswith(".pem") or parts.query or parts.fragment:
            raise UntrustedMessageError(f"{url!r:.120} is not the address of a certificate")
        signed_text(message)  # before any network: a message without its fields is refused
        async with self._fetching:
            certificate = await self._certificate(url)
        check_certificate(certificate, topic_arn, datetime.now(UTC))
        check_signature(message, certificate)

    async def _certificate(self, url: str) -> x509.Certificate:
        if url in self._kept:
            self._kept.move_to_end(url)
            return self._kept[url]
        try:
            certificate = x509.load_pem_x509_certificate(await self._fetch(url))
        except ValueError:
            raise UntrustedMessageError("the signing certificate is not one") from None
        self._kept[url] = certificate
        if len(self._kept) > _CERTIFICATES_KEPT:
            self._kept.popitem(last=False)
        return certificate

    async def _fetch(self, url: str) -> bytes:
        try:
            async with (
                asyncio.timeout(self.fetch_seconds),
                self.client.stream("GET", self.session.address(url)) as response,
            ):
                if not response.is_success:
                    raise FeedError(f"{url} was answered with {response.status_code}")
                body = bytearray()
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > _MAX_CERTIFICATE_BYTES:
                        raise UntrustedMessageError("the signing certificate is too large")
        except (httpx.HTTPError, TimeoutError) as error:
            raise FeedError(f"{url} can't be had: {type(error).__name__} {error}") from None
        return bytes(body)
