"""Posts as Slack messages: rich text, in which nothing that a learner or a model wrote is mark-up, link or mention."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tutor.chat.marks import mark
from tutor.chat.markup import Block, Span, without_mentions
from tutor.chat.posts import Button, Post, Section
from tutor.chat.splitting import split
from tutor.plain import graphemes

Element = dict[str, Any]
LONGEST = 9_000
"""Characters of one message with its mark-up; Slack refuses about 13,200 in all blocks of a message."""
BLOCKS = 45
"""Blocks of one message; Slack takes 50."""
TEXT = 300
"""Characters of the plain text that stands in notifications."""
LABEL = 75
"""Characters of a button's label that Slack takes."""


def messages(post: Post, user: str) -> list[dict[str, Any]]:
    """The post for that person as the `blocks` and `text` of one or several messages; the buttons stand on the last."""
    pages: list[list[Element]] = [[]]
    room = LONGEST
    for element, size in _elements(post.sections):
        if pages[-1] and (size > room or len(pages[-1]) >= BLOCKS):
            pages.append([])
            room = LONGEST
        pages[-1].append(element)
        room -= size
    if post.buttons:
        pages[-1].append({"type": "actions", "elements": [_button(button, user) for button in post.buttons]})
    text = escaped(without_mentions(post.summary))[:TEXT] or "…"
    return [{"blocks": page, "text": text} for page in pages]


def escaped(text: str) -> str:
    """Text for places where Slack reads mark-up."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def answer_form(metadata: str, title: str, label: str, send: str, cancel: str) -> dict[str, Any]:
    """The form in which an answer is typed."""
    box = {"type": "plain_text_input", "action_id": "text", "multiline": True, "max_length": 3000}
    return {
        "type": "modal",
        "callback_id": "answer",
        "private_metadata": metadata,
        "title": _plain(title[:24]),
        "submit": _plain(send[:24]),
        "close": _plain(cancel[:24]),
        "blocks": [{"type": "input", "block_id": "answer", "label": _plain(label), "element": box}],
    }


def _elements(sections: Iterable[Section]) -> Iterator[tuple[Element, int]]:
    """The sections as blocks with their sizes."""
    for number, section in enumerate(sections):
        if number:
            yield {"type": "divider"}, 0
        titled = [Block("heading", (Span(section.title),)), *section.blocks] if section.title else section.blocks
        for group in split(titled, LONGEST, _size):
            yield {"type": "rich_text", "elements": _joined(_rich(group))}, _size(group)


def _size(group: Sequence[Block]) -> int:
    return sum(len(block.text) + len(block.marker) + sum(len(s.address) for s in block.spans) + 2 for block in group)


def _rich(group: Sequence[Block]) -> Iterator[Element]:
    """Blocks as parts of a rich text."""
    for number, block in enumerate(group):
        last = number == len(group) - 1
        match block.kind:
            case "code":
                yield {"type": "rich_text_preformatted", "elements": [_text(block.text)]}
            case "quote":
                yield {"type": "rich_text_quote", "elements": list(_spans(block.spans))}
            case "heading":
                bold = [Span(span.text, bold=True) for span in block.spans]
                yield _section([*_spans(bold), *([] if last else [_text("\n")])])
            case "item":
                indent = "\u2003" * block.depth + (f"{block.marker} " if block.marker else "")
                yield _section([_text(indent), *_spans(block.spans), *_gap(group, number)])
            case "text":
                yield _section([*_spans(block.spans), *_gap(group, number)])


def _joined(parts: Iterable[Element]) -> list[Element]:
    """The parts with sections in a row as one, so that only our own line breaks stand between them."""
    joined: list[Element] = []
    for part in parts:
        if joined and part["type"] == joined[-1]["type"] == "rich_text_section":
            joined[-1]["elements"] += part["elements"]
        else:
            joined.append(part)
    return joined


def _gap(group: Sequence[Block], number: int) -> list[Element]:
    """What ends a block: nothing at the end, a line between items, and an empty line between paragraphs."""
    if number == len(group) - 1:
        return []
    following = group[number + 1].kind
    if following in ("quote", "code"):
        return []
    return [_text("\n" if group[number].kind == following == "item" else "\n\n")]


def _section(elements: Sequence[Element]) -> Element:
    return {"type": "rich_text_section", "elements": [element for element in elements if element.get("text") != ""]}


def _spans(spans: Iterable[Span]) -> Iterator[Element]:
    for span in spans:
        if not span.text:
            continue
        style = {
            name: True
            for name, on in (("bold", span.bold), ("italic", span.italic), ("strike", span.struck), ("code", span.code))
            if on
        }
        if span.address:
            yield {"type": "link", "url": span.address, "text": span.text}
        else:
            yield _text(span.text, style)


def _text(text: str, style: dict[str, bool] | None = None) -> Element:
    return {"type": "text", "text": text, **({"style": style} if style else {})}


def _button(button: Button, user: str) -> Element:
    colour = {"style": "danger"} if button.risky else {"style": "primary"} if button.strong else {}
    return {
        "type": "button",
        "action_id": f"tutor:{button.action}",
        "value": mark(button, user),
        "text": _plain("".join(graphemes(button.label)[:LABEL])),
        **colour,
    }


def _plain(text: str) -> Element:
    return {"type": "plain_text", "text": text, "emoji": False}


def opening(words: str) -> dict[str, Any]:
    """The message under which the thread of an interview hangs; its words are ours."""
    return {"blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": words}}], "text": words}
