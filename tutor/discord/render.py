"""Posts as Discord messages: its Markdown, in which no sign of a learner's or a model's words is mark-up."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tutor.chat.markup import BREAK, Block, Span
from tutor.chat.posts import Button, File, Post
from tutor.chat.splitting import split
from tutor.plain import graphemes

LONGEST = 2_000
"""Characters of one message, counted as UTF-16 units: the strictest of the ways in which Discord counts."""
LABEL = 80
"""Characters of a button's label."""
_SIGN = re.compile(r"[\\*_~|`\[\]<>]")
_AT_LINE_START = re.compile(r"^([ \t]*)(-#|[#+-]|\d+(?=\.))", re.MULTILINE)
_ADDRESS = re.compile(r"(https?)(://)", re.IGNORECASE)


@dataclass(frozen=True)
class Message:
    """One message. Buttons and file stand on the last message of a post."""

    content: str
    buttons: tuple[Button, ...] = ()
    file: File | None = None


def messages(post: Post) -> list[Message]:
    """The post as messages, each short enough."""
    written = [block for section in post.sections for block in _titled(section.title, section.blocks)]
    contents = [markdown(group) for group in split(written, LONGEST, _size)] or [""]
    last = Message(contents[-1], post.buttons, post.file)
    return [*map(Message, contents[:-1]), last]


def markdown(blocks: Sequence[Block]) -> str:
    """Blocks in Discord's Markdown."""
    text = ""
    for number, block in enumerate(blocks):
        text += (_gap(blocks[number - 1], block) if number else "") + _block(block)
    return text.strip()


def escaped(text: str) -> str:
    """Text in which Discord finds no mark-up and no address to open."""
    plain = _SIGN.sub(r"\\\g<0>", _ADDRESS.sub(rf"\1{BREAK}\2", text))
    return _AT_LINE_START.sub(_held, plain)


def label(button: Button) -> str:
    """The label, not longer than Discord takes."""
    return "".join(graphemes(button.label)[:LABEL])


def _titled(title: str, blocks: Iterable[Block]) -> list[Block]:
    return [*([Block("heading", (Span(title),))] if title else []), *blocks]


def _size(blocks: Sequence[Block]) -> int:
    return len(markdown(blocks).encode("utf-16-le")) // 2


def _gap(before: Block, after: Block) -> str:
    """An empty line between paragraphs; none where Discord leaves room of its own or lines belong together."""
    close = {before.kind, after.kind} <= {"item", "quote"} or "heading" in (before.kind, after.kind)
    return "\n" if close or "code" in (before.kind, after.kind) else "\n\n"


def _block(block: Block) -> str:
    match block.kind:
        case "code":
            return "```\n" + block.text.replace("```", f"`{BREAK}`{BREAK}`") + "\n```"
        case "heading":
            return "### " + _spans(block.spans).replace("\n", " ")
        case "quote":
            return "\n".join(f"> {line}" for line in _spans(block.spans).split("\n"))
        case "item":
            marker = "-" if block.marker == "•" else block.marker
            lines = _spans(block.spans).split("\n")
            return "\n".join(
                "  " * block.depth + (f"{marker} " if marker and not number else "  ") + line
                for number, line in enumerate(lines)
            )
        case "text":
            return _spans(block.spans)


def _spans(spans: Iterable[Span]) -> str:
    return "".join(_span(span) for span in spans)


def _span(span: Span) -> str:
    """A span with its signs, which stand at its words: Discord shows signs that touch a space as they are."""
    words = span.text.strip()
    if not words:
        return span.text
    before, after = span.text.split(words, 1)[0], span.text[len(span.text.rstrip()) :]
    if span.code:
        text = _code(words)
    elif span.address:
        text = f"[{escaped(words)}](<{span.address}>)"
    else:
        text = escaped(words)
    for sign, on in (("~~", span.struck), ("*", span.italic), ("**", span.bold)):
        text = f"{sign}{text}{sign}" if on else text
    return f"{before}{text}{after}"


def _code(text: str) -> str:
    if "`" not in text:
        return f"`{text}`"
    return f"`` {text.replace('``', f'`{BREAK}`')} ``"


def _held(found: re.Match[str]) -> str:
    """A sign that would make a list or a heading, with its meaning taken; a number keeps its full stop apart."""
    space, sign = found.groups()
    return f"{space}{sign}{BREAK}" if sign.isdigit() else f"{space}\\{sign}"
