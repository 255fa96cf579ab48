"""Joins the rest of a reply to its beginning, where a model was asked to go on, without saying anything twice."""

TAIL = 200
"""Characters of the beginning in which what is repeated is looked for."""
SHORTEST = 6
"""Fewer characters in common may be chance; they are kept."""


class Joined:
    """Passes on the rest of a text in pieces, without what its beginning has said already."""

    def __init__(self, said: str) -> None:
        self._tail = said[-TAIL:]
        self._held = ""
        self._joined = False

    def after(self, piece: str) -> str:
        """What may be passed on once this piece has come."""
        if self._joined:
            return piece
        self._held = (self._held + piece).lstrip()
        if self._held in self._tail:
            return ""
        return self.rest()

    def rest(self) -> str:
        """What is still held back at the end of the text."""
        held, self._held, self._joined = self._held, "", True
        again = max(size for size in range(len(held) + 1) if self._tail.endswith(held[:size]))
        if again >= SHORTEST:
            return held[again:]
        apart = self._tail[-1:].isascii() and self._tail[-1:].isalnum() and held[:1].isascii() and held[:1].isalnum()
        return f" {held}" if apart else held
