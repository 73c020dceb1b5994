"""What every answer tells the browser: run no inline script, load nothing from elsewhere."""

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Send

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:;"
    " font-src 'self'; connect-src 'self'; media-src 'self' data:; worker-src 'self';"
    " manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_ALWAYS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_HSTS: Final = "max-age=31536000"


def with_headers(send: Send, *, keeps_policy: bool, is_https: bool) -> Send:
    """Return a `send` that adds the headers to the answer.

    Args:
        send: The server's.
        keeps_policy: Whether the answer's own content security policy, if it has one, stays.
        is_https: Whether users reach the dashboard by HTTPS alone.
    """

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.update(_ALWAYS)
            if not (keeps_policy and "content-security-policy" in headers):
                headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
            if is_https:
                headers["Strict-Transport-Security"] = _HSTS
            headers.setdefault("Cache-Control", "private, no-cache")
        await send(message)

    return send_with_headers
