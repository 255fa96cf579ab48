"""Requests that look almost like Slack's: bodies and headers bent in every way that a forger or a fault would."""

import random
import string
from collections.abc import Iterator

from tests.fake_slack import signed

Headers = list[tuple[str, str]]
_STAMP, _SIGNATURE = "x-slack-request-timestamp", "x-slack-signature"
_STAMPS = ("", "abc", "nan", "-1", "1e9", "٣٣٣", "9" * 5000, "1.5", "+1750000000", " ", "0x10", "1_750_000_000", "٠")
_SIGNATURES = ("", "v0=", "v1=00", "ünïcode", "v0=" + "f" * 64, "v0=" + "f" * 9000, "None", "v0=zz", "=", "\xa0")


def mutants(good: bytes, chance: random.Random) -> Iterator[tuple[bytes, Headers]]:
    """Endless requests, none of which is genuine."""
    while True:
        headers = {"content-type": "application/json", **signed(good)}
        body = good
        match chance.randrange(8):
            case 0:
                body = _bent(good, chance)
            case 1:
                headers[_STAMP] = chance.choice(_STAMPS)
            case 2:
                headers[_SIGNATURE] = chance.choice(_SIGNATURES)
            case 3:
                del headers[chance.choice([_STAMP, _SIGNATURE])]
            case 4:
                headers |= signed(good, secret="".join(chance.choices(string.ascii_letters, k=8)))
            case 5:
                yield good, [*headers.items(), (chance.choice([_STAMP, _SIGNATURE]), headers[_SIGNATURE])]
                continue
            case 6:
                at = int(headers[_STAMP]) + chance.choice([-1, 1]) * chance.randrange(302, 10**6)
                headers |= signed(good, at=at)
            case 7:
                body = good + b"x" * chance.choice([1, 1000, 10_000, 100_000, 1_000_000])
        if chance.random() < 0.2:
            headers["content-type"] = chance.choice(["", "text/html", "application/x-www-form-urlencoded", "x" * 500])
        yield body, list(headers.items())


def _bent(body: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(body))
    return chance.choice(
        [body[:at], body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :], body[:at] + b"\x00" + body[at:], b""]
    )
