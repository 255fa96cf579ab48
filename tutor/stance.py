"""Tells what a learner asserts from what he only mentions: reports of others, both ways at once, what he takes back,
and words to the grader. Words that nobody asserts are no evidence, neither for a key point nor for a misconception.
"""

import re

from tutor.wording import Wording

_REPORTED = re.compile(
    r"(?i)\b(?:wrongly|mistakenly|falsely|incorrectly|erroneously)\s+(?:\w+\s+)?"
    r"(?:believe|believes|think|thinks|assume|assumes|claim|claims|say|says|said|state|states)\b"
    r"|\b(?:common|popular|wide-?spread)\s+(?:misconception|myth|mistake|misunderstanding)\b"
    r"|误以为|误认为|错误地?(?:以为|认为)|常见的?(?:误解|误区)"
)
"""What follows in the sentence is what others hold, wrongly."""
_IN_TRUTH = re.compile(
    r"(?i)\b(?:but|however|whereas|actually|in\s+(?:fact|reality|truth))\b|但|其实|实际上|事实上|而是"
)
"""Where the learner's own view begins again."""
_CALLED_WRONG = re.compile(
    r"(?i)\s*(?:but\s+|and\s+)?(?:that|this|which|it)(?:'s|\s+is|\s+would\s+be)\s+(?:of\s+course\s+|just\s+)?"
    r"(?:a\s+|an\s+)?(?:mistake|wrong|false|incorrect|not\s+true|not\s+right|misconception|myth|misunderstanding)\b"
    r"|\s*(?:但|不过|其实)?(?:这|那)(?:种说法|个说法|一点|话)?(?:其实|当然)?(?:是错(?:误)?的|不对|是误解|是误区|不成立)"
)
"""Denies the sentence before it."""
_OTHER_WAY_TOO = re.compile(
    r"(?i)\s*(?:or|but|and|then again|though)?,?\s*(?:maybe|perhaps|possibly|it\s+(?:might|could)\s+be)\s+"
    r"(?:it(?:'s|\s+is)\s+)?(?:exactly\s+|just\s+|quite\s+)?(?:the\s+)?(?:opposite|reverse|other\s+way)"
    r"|\s*(?:又?或者)?(?:也许|可能|说不定)(?:正好|恰恰|刚好|完全)?(?:是)?相反"
)
"""Leaves open whether what was just said holds."""
_TAKEN_BACK = re.compile(
    r"(?i)\b(?:none|nothing)\s+of\s+(?:the\s+above|this|that|what\s+i\s+said)\b.{0,30}\b(?:true|right|correct)\b"
    r"|\b(?:all|everything)\b(?:\s+of)?(?:\s+(?:that|what))?\s+(?:the\s+above|i\s+(?:just\s+)?(?:said|wrote)(?:\s+above)?)\b"
    r".{0,20}\b(?:wrong|false|incorrect|nonsense)\b"
    r"|(?:以上|上面|前面|刚才)(?:我)?(?:说的|讲的|写的|内容)?(?:话)?(?:全部?|都)(?:是)?(?:不对|错|不成立|假)"
)
"""Takes back all that was said before."""
_TO_THE_GRADER = re.compile(
    r"(?i)</?answer>|\bfull\s+marks\b|\bkey\s+points?\s+(?:is|are|as|were|have\s+been)?\s*(?:all\s+)?covered\b"
    r"|\b(?:score|grade|verdict)\b\W{0,4}(?:\d+\s*(?:/|of|out\s+of)\s*\d+|[:=]|\ball\b)|\bend\s+of\s+answer\b"
    r"|\bignore\s+(?:all\s+|any\s+)?(?:the\s+)?(?:previous|prior|above)\s+instructions\b|\bas\s+the\s+developer\b"
    r"|\bthe\s+grader\s+is\b|\"verdict\"|\"score\"|\"opinions\""
    r"|满分|得分[:：]?\s*\d|评分器|忽略.{0,8}指令|要点都(?:判|已|讲)|本回答完全正确"
)
"""Speaks to the grader, not about the matter."""


def unasserted(wording: Wording) -> frozenset[int]:
    """Tokens of the answer that the learner does not assert."""
    silent: set[int] = set()
    since = 0
    for number, (first, last) in enumerate(wording.sentences):
        start, text = _around(wording, number)
        if _TO_THE_GRADER.search(text):
            silent.update(range(first, last))
        elif _TAKEN_BACK.search(text):
            silent.update(range(last))
        elif _OTHER_WAY_TOO.match(text):
            silent.update(range(since, last))
            since = last
        elif number and _CALLED_WRONG.match(text):
            silent.update(range(wording.sentences[number - 1][0], last))
        elif found := _REPORTED.search(text):
            own = _IN_TRUTH.search(text, found.end())
            end = start + own.start() if own else start + len(text)
            silent.update(at for at in range(first, last) if start + found.start() <= wording.tokens[at].start < end)
    return frozenset(silent)


def _around(wording: Wording, number: int) -> tuple[int, str]:
    """Where a sentence starts, and its text with what stands around its words."""
    sentences = wording.sentences
    start = wording.tokens[sentences[number - 1][1] - 1].end if number else 0
    last = number + 1 == len(sentences)
    end = len(wording.text) if last else wording.tokens[sentences[number + 1][0]].start
    while start < end and wording.text[start] in " .。!！?？;；\n\t)）":
        start += 1
    return start, wording.text[start:end]
