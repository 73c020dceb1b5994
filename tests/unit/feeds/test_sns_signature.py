"""Signatures of SNS: vectors that verify, and every way in which they must not."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from energy_platform.errors import FeedError
from energy_platform.feeds.sns.signature import (
    SignatureChecker,
    UntrustedMessageError,
    check_certificate,
    check_signature,
    check_sns_url,
    signed_text,
)
from simulator.sns_sender import SnsSender, self_signed
from tests.recorded.manifest import FOLDER, needs_recorded
from tests.support.feeds import MemorySession

TOPIC = "arn:aws:sns:us-east-1:123901341784:NewGFSObject"
RECORDED = FOLDER / "sns"
VECTORS = [
    "testvector_notification_v1.json",
    "testvector_notification_v2.json",
    "testvector_subscriptionconfirmation_v2.json",
]


@pytest.fixture(scope="module")
def sender() -> SnsSender:
    return SnsSender(topic_arn=TOPIC, endpoint=lambda: "http://127.0.0.1:1")


@pytest.fixture(scope="module")
def certificate(sender: SnsSender) -> x509.Certificate:
    return x509.load_pem_x509_certificate(sender._certificate)


def altered(message: dict[str, str]) -> Iterator[dict[str, str]]:
    """Yield the message with one character changed in each signed field, then without subject."""
    for name, value in message.items():
        if name not in {"Signature", "SignatureVersion", "SigningCertURL", "UnsubscribeURL"}:
            middle = len(value) // 2
            other = "x" if value[middle] != "x" else "y"
            yield {**message, name: value[:middle] + other + value[middle + 1 :]}
    yield {name: value for name, value in message.items() if name != "Subject"}


@needs_recorded
@pytest.mark.parametrize("vector", VECTORS)
def test_recorded_vectors_verify_and_fail_when_changed(vector: str) -> None:
    message = json.loads((RECORDED / vector).read_text())
    signer = x509.load_pem_x509_certificate((RECORDED / "testvector_cert.pem").read_bytes())
    check_signature(message, signer)
    check_certificate(signer, message["TopicArn"], datetime.now(UTC))
    for changed in altered(message):
        if changed != message:
            with pytest.raises(UntrustedMessageError):
                check_signature(changed, signer)


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize(
    "kind", ["Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation"]
)
def test_own_vectors_verify_and_fail_when_changed(
    sender: SnsSender, certificate: x509.Certificate, version: str, kind: str
) -> None:
    sender.signature_version = version
    extra = (
        {"Subject": "Grüße\nzwei"}
        if kind == "Notification"
        else {"Token": "t", "SubscribeURL": "u"}
    )
    message = sender.signed({"Type": kind, "Message": 'äöü "{}"\n\\', **extra})
    check_signature(message, certificate)
    for changed in altered(message):
        if changed != message:
            with pytest.raises(UntrustedMessageError):
                check_signature(changed, certificate)
    with pytest.raises(UntrustedMessageError):
        check_signature({**message, "SignatureVersion": "3"}, certificate)
    with pytest.raises(UntrustedMessageError):
        check_signature(
            {**message, "SignatureVersion": "2" if version == "1" else "1"}, certificate
        )
    with pytest.raises(UntrustedMessageError):
        check_signature({**message, "Signature": "not base64!"}, certificate)


def test_the_signed_text_is_names_and_values_in_order() -> None:
    message = {
        "Type": "Notification",
        "TopicArn": TOPIC,
        "Timestamp": "2026-01-01T00:00:00.000Z",
        "MessageId": "1",
        "Message": "a",
        "UnsubscribeURL": "not signed",
    }
    assert (
        signed_text(message)
        == (
            "Message\na\nMessageId\n1\nTimestamp\n2026-01-01T00:00:00.000Z\n"
            f"TopicArn\n{TOPIC}\nType\nNotification\n"
        ).encode()
    )


@pytest.mark.parametrize("missing", ["Message", "MessageId", "Timestamp", "TopicArn", "Type"])
def test_a_message_without_a_signed_field_is_refused(sender: SnsSender, missing: str) -> None:
    message = sender.signed({"Type": "Notification", "Message": "a"})
    del message[missing]
    with pytest.raises(UntrustedMessageError):
        signed_text(message)


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.us-east-1.amazonaws.com/a.pem",
        "https://sns.eu-west-1.amazonaws.com/a.pem",
        "https://sns.us-east-1.amazonaws.com.evil.example/a.pem",
        "https://evil.example/sns.us-east-1.amazonaws.com/a.pem",
        "https://sns.us-east-1.amazonaws.com@evil.example/a.pem",
        "https://user@sns.us-east-1.amazonaws.com/a.pem",
        "https://sns.us-east-1.amazonaws.com:8443/a.pem",
        "https://sns-us-east-1.amazonaws.com/a.pem",
        "https://xsns.us-east-1.amazonaws.com/a.pem",
        "https://sns.us-east-1.amazonaws.com:x/a.pem",
        "file:///etc/passwd.pem",
        "",
    ],
)
def test_only_the_sns_host_of_the_region_is_asked(url: str) -> None:
    with pytest.raises(UntrustedMessageError):
        check_sns_url(url, TOPIC)


def test_the_host_of_china_has_its_own_ending() -> None:
    topic = "arn:aws-cn:sns:cn-north-1:123456789012:t"
    check_sns_url("https://sns.cn-north-1.amazonaws.com.cn/a.pem", topic)
    with pytest.raises(UntrustedMessageError):
        check_sns_url("https://sns.cn-north-1.amazonaws.com/a.pem", topic)


@pytest.mark.parametrize(
    ("common_name", "begin", "accepted"),
    [
        ("sns.amazonaws.com", timedelta(0), True),
        ("sns.us-east-1.amazonaws.com", timedelta(0), True),
        ("s3.amazonaws.com", timedelta(0), False),
        ("sns.eu-west-1.amazonaws.com", timedelta(0), False),
        ("sns.amazonaws.com", timedelta(days=1), False),
        ("sns.amazonaws.com", -timedelta(days=3), False),
    ],
)
def test_a_certificate_must_be_valid_and_made_out_to_sns(
    sender: SnsSender, common_name: str, begin: timedelta, *, accepted: bool
) -> None:
    now = datetime.now(UTC)
    pem = self_signed(sender._key, common_name=common_name, valid_from=now + begin)
    signer = x509.load_pem_x509_certificate(pem)
    if accepted:
        check_certificate(signer, TOPIC, now + timedelta(minutes=1))
    else:
        with pytest.raises(UntrustedMessageError):
            check_certificate(signer, TOPIC, now + timedelta(minutes=1))


class Hosting:
    """Answers the checker's requests for certificates, and counts them."""

    def __init__(self, body: bytes, status: int = 200) -> None:
        self.body, self.status, self.asked = body, status, 0

    def checker(self, tmp_path: Path) -> SignatureChecker:
        def answer(_request: httpx.Request) -> httpx.Response:
            self.asked += 1
            return httpx.Response(self.status, content=self.body)

        client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
        return SignatureChecker(MemorySession("a", tmp_path), client)


async def test_a_certificate_is_fetched_once(sender: SnsSender, tmp_path: Path) -> None:
    hosting = Hosting(sender._certificate)
    checker = hosting.checker(tmp_path)
    for number in range(3):
        await checker.check(sender.signed({"Type": "Notification", "Message": str(number)}))
    assert hosting.asked == 1


async def test_a_forged_message_with_another_key_is_refused(
    sender: SnsSender, tmp_path: Path
) -> None:
    other = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
    checker = Hosting(self_signed(other)).checker(tmp_path)
    with pytest.raises(UntrustedMessageError, match="does not fit"):
        await checker.check(sender.signed({"Type": "Notification", "Message": "a"}))


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (b"<html>", 200, UntrustedMessageError),
        (b"-" * 100_000, 200, UntrustedMessageError),
        (b"", 404, FeedError),
        (b"", 500, FeedError),
    ],
)
async def test_what_is_no_certificate_is_refused(
    sender: SnsSender, tmp_path: Path, body: bytes, status: int, error: type[Exception]
) -> None:
    checker = Hosting(body, status).checker(tmp_path)
    with pytest.raises(error):
        await checker.check(sender.signed({"Type": "Notification", "Message": "a"}))


@pytest.mark.parametrize("path", ["/a.txt", "/a.pem?x=1", "/a.pem#x", "/"])
async def test_what_is_no_address_of_a_certificate_is_not_asked(
    sender: SnsSender, tmp_path: Path, path: str
) -> None:
    hosting = Hosting(sender._certificate)
    message = sender.signed({"Type": "Notification", "Message": "a"})
    message["SigningCertURL"] = sender.host + path
    with pytest.raises(UntrustedMessageError):
        await hosting.checker(tmp_path).check(message)
    assert hosting.asked == 0
