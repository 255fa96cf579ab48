"""Keeps a reasoning model's thoughts, which some servers send as part of the text, away from the reply."""

_OPEN, _CLOSE = "<think>", "</think>"


class Spoken:
    """Passes on a text in pieces, without thoughts at its beginning and without leading white space."""

    def __init__(self) -> None:
        self._held = ""
        self._speaking = False

    def after(self, piece: str) -> str:
        """What may be passed on once this piece has come."""
        if self._speaking:
            return piece
        self._held = (self._held + piece).lstrip()
        if self._held.startswith(_OPEN):
            _, closed, rest = self._held.partition(_CLOSE)
            self._held = rest.lstrip() if closed else self._held
            if not closed or not rest.strip():
                return ""
        if not self._held or (len(self._held) < len(_OPEN) and _OPEN.startswith(self._held)):
            return ""
        self._speaking = True
        return self.rest()

    def rest(self) -> str:
        """What is still held back at the end of the text; thoughts that never ended are not."""
        held, self._held = self._held, ""
        return "" if held.startswith(_OPEN) else held
