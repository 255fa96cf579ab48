"""Whether a request comes from Slack: its signature over the raw bytes, looked at before anything is read in them."""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence

WINDOW = 300
"""Seconds by which the time of a request may differ from ours, both ways."""
LONGEST = 1_000_000
"""Bytes of a request."""


def genuine(secret: str, headers: Mapping[str, Sequence[str]], body: bytes, now: float) -> bool:
    """Whether the request was signed with the secret within the window; never raises."""
    times, signatures = headers.get("x-slack-request-timestamp", ()), headers.get("x-slack-signature", ())
    if len(times) != 1 or len(signatures) != 1 or not re.fullmatch(r"[0-9]{1,12}", times[0], re.ASCII):
        return False
    if abs(int(now) - int(times[0])) > WINDOW:
        return False
    signed = hmac.new(secret.encode(), b"v0:" + times[0].encode() + b":" + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(f"v0={signed}".encode(), signatures[0].encode("utf-8", "replace"))
