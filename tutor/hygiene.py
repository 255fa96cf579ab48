"""Makes the words of a model harmless: a link or an image that no card names is shown as text, nothing is fetched."""

import re
from collections.abc import Collection

_INLINE = re.compile(r"(!?)\[([^\]]*)\]\(\s*<?([^)>\s]*)>?(?:\s+[^)]*)?\)")
_DEFINED = re.compile(r"^\s{0,3}(\[[^\]]+\]:\s*\S+.*)$", re.MULTILINE)
_ADDRESS = re.compile(
    r"<?\b(?:[a-z][a-z0-9+.-]{1,20}://|www\.|mailto:|javascript:|data:|file:)[^\s<>`）】」]+>?|(?<![\w:/])//[\w.-]+\.\w+\S*",
    re.IGNORECASE,
)
_NAMES = (
    "a|audio|base|body|button|embed|form|frame|head|html|iframe|img|input|link|math|meta|object|script|source|style|svg|"
    "video"
)
_TAG = re.compile(rf"<\s*/?\s*(?:{_NAMES})\b[^>]*>?|<!--", re.IGNORECASE)
_CODE = re.compile(r"(```.*?(?:```|\Z)|``.*?``|`[^`\n]*`)", re.DOTALL)
_ENDS = ".,;:!?。，；：！？)）]】\"'”’"


def harmless(text: str, allowed: Collection[str] = ()) -> str:
    """The text with every address, link, image and tag in it as code, except addresses that are `allowed`."""
    parts = _CODE.split(text)
    return "".join(part if number % 2 else _part(part, allowed) for number, part in enumerate(parts))


def _part(text: str, allowed: Collection[str]) -> str:
    text = _INLINE.sub(lambda found: f"{found[2]} {found[3]}" if found[3] else found[2], text)
    text = _DEFINED.sub(lambda found: _code(found[1]), text)
    pieces = _CODE.split(text)
    return "".join(piece if number % 2 else _addresses(piece, allowed) for number, piece in enumerate(pieces))


def _addresses(text: str, allowed: Collection[str]) -> str:
    """Addresses first, then tags, in what no code span holds."""

    def shown(found: re.Match[str]) -> str:
        address = found[0].strip("<>")
        bare = address.rstrip(_ENDS)
        return address if bare in allowed else _code(bare) + address[len(bare) :]

    parts = _CODE.split(_ADDRESS.sub(shown, text))
    return "".join(
        part if number % 2 else _TAG.sub(lambda found: _code(found[0]), part) for number, part in enumerate(parts)
    )


def _code(text: str) -> str:
    return "`" + text.replace("`", "") + "`"
