"""Tells statements from lists of keywords, and an answer from a placeholder.

Words without a verb, a function word or a relation between them say nothing that could be right or wrong.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Literal

from tutor.wording import Token, Wording, stem

_FUNCTION_WORDS = frozenset(
    stem(word)
    for word in (
        "a an is are was were be been being has have had do does did can could may might must will would should it its "
        "they them their this that these those which who what where when why how if then than as so because since of "
        "for to from by with without into over per each every all both not no only also more less most least and or "
        "but at in on we you i he she there here such same own while instead between across after before during until "
        "vs versus via about up down out off not n't".split()
    )
)
_VERBS = frozenset(
    stem(word)
    for word in (
        "add adds apply avoid become break build cache call change choose clip collapse combine come compare compress "
        "compute concatenate contain control converge copy correct cost cover cut decay decrease depend diverge divide "
        "double drop encode evict exceed explode exceeds fit fix freeze free gather generate get give go grow halve "
        "hold hide help hurt improve increase inject insert keep know learn let limit load lose lower make mask match "
        "matter mean measure merge move multiply need normalize normalise offload optimise optimize output overflow "
        "partition pay penalize predict preserve prevent produce project prune push put quantize raise read recompute "
        "reduce remain remember remove repeat replace replicate represent require reset reuse rotate run sample "
        "saturate save scale see select send set share shard shift show shrink shuffle skip slice slow solve split "
        "stabilize approximate attend cause converge embed ignore hit "
        "start stay stop store stream sum swap take tell train transfer truncate try turn tune underflow update upcast "
        "use vanish vary wait want work write".split()
    )
)
_CHINESE_STATEMENT = frozenset(
    "是会把被在让使因即就只都能可要用由有为除乘等变减增降升需免致共享不没无每从到比更按将以而但且若则因所"
    "对做加存算取传分切合并改新训冻缓放求得看叫给带来去换转过读写占省包含内间越"
)
_DONT_KNOW = (
    "i don't know", "i do not know", "dont know", "no idea", "idk", "not sure", "i have no clue", "no clue", "i forgot",
    "i can't remember", "i cannot remember", "pass", "dunno", "i'm not sure", "never heard of it", "i give up",
    "不知道", "不清楚", "不会", "不太会", "不懂", "不了解", "忘了", "不记得", "没学过", "没听过", "没有思路", "我放弃",
    "不太清楚", "没想法",
)  # fmt: skip
_FILLING = frozenset(
    "sorry honestly about this question the answer to it really me i am afraid "
    "抱歉 我 真 这 个 题 问 这道 对 不 起 也 完 全 有 点 太".split()
)
_PLACEHOLDERS = (
    "n/a",
    "na",
    "todo",
    "tbd",
    "none",
    "test",
    "asdf",
    "...",
    "xxx",
    "no response",
    "no answer",
    "无",
    "略",
    "待补充",
    "没有",
)
_RELATING = frozenset(
    [
        stem(word)
        for word in "is are was be not no only because so than then instead without cannot it we you they".split()
    ]
    + list("是因所把被让使不没就会需致比仅→=<>≈")
)
"""What makes a statement even of a few words."""
LONGEST_NAME = 3.0
"""Words of an item that can still be a mere name (two Chinese characters are one word)."""
SHORTEST_BAG = 4
"""Fewer items than this are not a list."""
LONG_BAG, SHORT_ITEMS = 10, 2.6
"""So many items of so few words on average are a list, whatever the words: notes in short have longer items."""
SHORTEST_HEAP = 18
"""Words of a heap at least."""
SHARE_OF_JOINTS = 0.15
"""Sentences have a larger share of words that only join the others."""
LONG_HEAP, JOINTS_OF_LONG = 28, 0.25
"""So many words without a comma are a sentence only with a larger share of words that join them."""
LONGEST_BRACKET = 200
"""Characters that a bracket is looked back for."""
LONGEST_RUN = 9
"""As many content words in a row, with nothing between them, are a bag (two Chinese characters are one word)."""


def is_placeholder(wording: Wording) -> Literal["dont_know", "placeholder"] | None:
    """Whether the whole answer only says that there is none."""
    said = wording.squeezed
    if said in _squeezed(_PLACEHOLDERS):
        return "placeholder"
    rest = said
    for phrase in sorted(_squeezed(_DONT_KNOW), key=len, reverse=True):
        rest = rest.replace(phrase, "")
    if rest == said:
        return None
    for word in sorted(_squeezed(tuple(_FILLING)), key=len, reverse=True):
        rest = rest.replace(word, "")
    return "dont_know" if not rest else None


@lru_cache(maxsize=8)
def _squeezed(phrases: tuple[str, ...]) -> frozenset[str]:
    return frozenset(said for phrase in phrases if (said := Wording(phrase).squeezed))


def discounted_tokens(wording: Wording) -> frozenset[int]:
    """Tokens of sentences that only list words."""
    return frozenset(index for indices in _sentences(wording) if _only_lists(wording, indices) for index in indices)


def _sentences(wording: Wording) -> Iterator[list[int]]:
    """Token indices by sentence; neighbouring sentences that state nothing are one list in several lines."""
    sentences: list[list[int]] = []
    for index, token in enumerate(wording.tokens):
        if sentences and token.sentence == wording.tokens[sentences[-1][-1]].sentence:
            sentences[-1].append(index)
        else:
            sentences.append([index])
    silent: list[int] = []
    for sentence in sentences:
        if any(_states(wording.tokens[index]) for index in sentence):
            yield silent
            yield sentence
            silent = []
        else:
            silent.extend(sentence)
    yield silent


def _only_lists(wording: Wording, indices: list[int]) -> bool:
    tokens = [wording.tokens[index] for index in indices]
    if _shuffled(wording, tokens):
        return True
    items = list(_items(wording, tokens))
    if len(items) >= LONG_BAG and _length(tokens) <= SHORT_ITEMS * len(items):
        return True
    if len(items) >= SHORTEST_BAG:
        perhaps = sum(any(_states(token) for token in item) or _measures(item) for item in items)
        surely = sum(_says_something(item) or _measures(item) for item in items)
        return surely * 4 < len(items) and perhaps * 2 < len(items)
    bag = len(items) == 1 and all(
        token.kind != "cjk" and token.norm not in _FUNCTION_WORDS and token.kind != "operator" for token in tokens
    )
    silent = not any(_states(token) for token in tokens) and not any(_measures(item) for item in items)
    return (bag or silent) and _length(tokens) >= LONGEST_RUN


_OPEN = re.compile(r"[(（\[][^()（）\[\]\n]*$")
"""A bracket that is still open: what stands between commas in it is no item, as in f(q, m)."""
_CLOSED = re.compile(r"[^()（）\[\]\n]*[)）\]]")


def _items(wording: Wording, tokens: list[Token]) -> Iterator[list[Token]]:
    """What stands between commas and the like."""
    item: list[Token] = []
    for token in tokens:
        between = wording.text[item[-1].end : token.start] if item else ""
        opened = between and _OPEN.search(wording.text, max(0, token.start - LONGEST_BRACKET), token.start)
        inside = opened and _CLOSED.match(wording.text, token.start, token.start + LONGEST_BRACKET)
        if any(mark in between for mark in ",，、;；|/\n\t·•") and not inside:
            yield item
            item = []
        item.append(token)
    if item:
        yield item


def _shuffled(wording: Wording, tokens: list[Token]) -> bool:
    """Whether these are words in a heap: Chinese words with blanks between, or many words with few to join them."""
    pairs = list(pairwise(tokens))
    apart = sum(one.kind == two.kind == "cjk" and wording.text[one.end : two.start].isspace() for one, two in pairs)
    if apart >= SHORTEST_HEAP // 2 and apart * 8 >= len(tokens):
        return True
    words = [token.norm for token in tokens if token.kind == "word"]
    joined = any(mark in wording.text[one.end : two.start] for one, two in pairs for mark in (",", ":", ";", " ("))
    joining = sum(word in _FUNCTION_WORDS for word in words)
    if joined or len(words) < SHORTEST_HEAP:
        return False
    if len(words) >= LONG_HEAP:
        return joining < JOINTS_OF_LONG * len(tokens)
    return len(set(words)) >= 0.9 * len(words) and joining < SHARE_OF_JOINTS * len(words)


def _says_something(item: list[Token]) -> bool:
    """Whether an item of a list is a statement; in a name of few words, a verb may be part of the name."""
    if _length(item) > LONGEST_NAME:
        return any(_states(token) for token in item)
    return any(token.norm in _RELATING for token in item)


def _length(tokens: list[Token]) -> float:
    return sum(0.5 if token.kind == "cjk" else 1.0 for token in tokens)


def _measures(item: list[Token]) -> bool:
    """Whether an item gives a thing its number: "8 exponent bits"."""
    return len(item) > 2 and any(token.kind == "number" for token in item)


def _states(token: Token) -> bool:
    if token.kind == "cjk":
        return token.norm in _CHINESE_STATEMENT
    if token.kind == "operator":
        return True
    return token.norm in _FUNCTION_WORDS or token.norm in _VERBS or "'" in token.norm
