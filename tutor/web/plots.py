"""Plots as SVG that stands inside a page: no script, colours from the page's own, text at its size on every screen.

Places along the width are percentages, so that a plot grows and shrinks without its words.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from html import escape
from itertools import pairwise

TALL = 200
"""Pixels of a trend's height."""
CELL, STEP = 12, 15
"""Pixels of a day in the calendar, and from one day to the next."""
WEEKS = 26


def bar(parts: Sequence[tuple[float, str]], label: str) -> str:
    """One bar on a track; `parts` are lengths from 0 to 1, each from the left edge, with their classes."""
    drawn = "".join(
        f'<rect class="{kind}" width="{100 * min(1.0, max(0.0, length)):.1f}%" height="14" rx="3"/>'
        for length, kind in parts
    )
    return (
        f'<svg class="bar" role="img" aria-label="{escape(label)}" width="100%" height="14">'
        f'<rect class="track" width="100%" height="14" rx="3"/>{drawn}</svg>'
    )


def trend(points: Sequence[tuple[str, float]], smooth: Sequence[float], label: str, ends: tuple[object, object]) -> str:
    """Scores of 10 over time: a dot for each interview with its title, and a line through the smoothed scores.

    `ends` are what the first and the last dot stand for, written below them.
    """
    places = [_across(number, len(points)) for number in range(len(points))]
    grid = "".join(
        f'<line class="grid" x1="4%" x2="100%" y1="{_down(score)}" y2="{_down(score)}"/>'
        f'<text x="0" y="{_down(score)}" dy="4">{score}</text>'
        for score in (0, 5, 10)
    )
    line = "".join(
        f'<line class="trend" x1="{x1:.2f}%" y1="{_down(y1)}" x2="{x2:.2f}%" y2="{_down(y2)}"/>'
        for (x1, y1), (x2, y2) in pairwise(zip(places, smooth, strict=True))
    )
    dots = "".join(
        f'<circle class="dot" cx="{place:.2f}%" cy="{_down(score)}" r="3.5"><title>{escape(title)}</title></circle>'
        for place, (title, score) in zip(places, points, strict=True)
    )
    first, last = (escape(str(end)) for end in ends)
    words = f'<text x="4%" y="{TALL + 12}">{first}</text><text x="100%" y="{TALL + 12}" text-anchor="end">{last}</text>'
    size = f'width="100%" height="{TALL + 18}"'
    return f'<svg role="img" aria-label="{escape(label)}" {size}>{grid}{line}{dots}{words}</svg>'


def _across(number: int, of: int) -> float:
    return 6.0 + 92.0 * (number / (of - 1) if of > 1 else 0.5)


def _down(score: float) -> float:
    return round(TALL - 12 - (TALL - 24) * score / 10, 1)


def calendar(days: Mapping[date, int], today: date, label: str, titles: Mapping[date, str]) -> str:
    """The last weeks as columns from Monday to Sunday; the more questions in a day, the stronger its colour."""
    first = today - timedelta(days=today.weekday(), weeks=WEEKS - 1)
    cells, months = [], []
    for week in range(WEEKS):
        monday = first + timedelta(weeks=week)
        if monday.day <= 7:
            months.append(f'<text x="{week * STEP}" y="10">{monday.month}</text>')
        for weekday in range(7):
            day = monday + timedelta(days=weekday)
            if day <= today:
                level = min(4, -(-days.get(day, 0) // 3))
                title = f"<title>{escape(titles[day])}</title>" if day in titles else ""
                place = f'x="{week * STEP}" y="{16 + weekday * STEP}"'
                cells.append(f'<rect class="day{level}" {place} width="{CELL}" height="{CELL}" rx="2">{title}</rect>')
    size = f'width="{WEEKS * STEP}" viewBox="0 0 {WEEKS * STEP} {16 + 7 * STEP}"'
    return f'<svg class="calendar" role="img" aria-label="{escape(label)}" {size}>{"".join([*months, *cells])}</svg>'
