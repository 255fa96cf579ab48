"""One learner everywhere: which accounts (web, Slack, Discord) are one person, and the codes that join them.

Every account keeps the sessions that were begun with it; being one person only means to see them all, so that leaving
gives each account back what is its own. Who is one person is folded from a log of joins, one atomic record each.
"""

import secrets
import threading
import time
from collections.abc import Iterable, Sequence
from typing import Any

from tutor.errors import TutorError
from tutor.facts import Fact, Facts
from tutor.history import Store, digest

ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""Signs of a code: none that is easily taken for another."""
LENGTH = 8
VALID = 600.0
"""Seconds for which a code opens."""
TRIES = 5
"""Wrong codes that one account may give while a code is valid."""
FRESH = 1.0
_AHEAD = 32

Group = frozenset[str]


class BadCode(TutorError):
    """A code that opens nothing: unknown, too old, or used; `reason` is the phrase that says so."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class People:
    """Who is one person. Safe to use from several threads and processes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._joins = Facts(store, "people-joins")
        self._codes = Facts(store, "people-codes")
        self._reading = threading.Lock()
        self._read = 0
        self._looked = -FRESH
        self._groups: dict[str, Group] = {}
        self._failures: dict[str, list[float]] = {}

    def accounts(self, account: str) -> tuple[str, ...]:
        """All accounts of the person, this one first; what another process joined is seen after FRESH seconds."""
        self._catch_up(FRESH)
        return (account, *sorted(self._groups.get(account, frozenset()) - {account}))

    def code(self, account: str, now: float) -> str:
        """A new code that joins another account to this one, once, for VALID seconds."""
        code = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
        self._codes.put(digest(code), {"account": account, "until": now + VALID}, owner=digest(account))
        return f"{code[:4]}-{code[4:]}"

    def join(self, account: str, code: str, now: float) -> None:
        """Makes this account one person with the code's; raises BadCode and changes nothing otherwise."""
        failures = [at for at in self._failures.get(account, []) if at > now - VALID]
        if len(failures) >= TRIES:
            raise BadCode("chat.code_too_many")
        key = digest(plain_code(code))
        found = self._codes.get(key)
        if found is None or found["until"] < now:
            self._failures[account] = [*failures, now]
            raise BadCode("chat.code_unknown" if found is None else "chat.code_old")
        if account == found["account"]:
            raise BadCode("chat.code_own")
        used = {"by": digest(account)}
        if not self._codes.claim(f"{key}-used", used, owner=digest(found["account"])) and (
            self._codes.get(f"{key}-used") != used or account not in self.accounts(found["account"])
        ):
            raise BadCode("chat.code_used")
        if account not in self.accounts(found["account"]):
            self._log({"joined": [found["account"], account]})

    def leave(self, account: str) -> bool:
        """Makes the account a person of its own again; whether it was joined to any."""
        if len(self.accounts(account)) == 1:
            return False
        self._log({"left": [digest(account)]})
        return True

    def forget(self, account: str) -> tuple[str, ...]:
        """Deletes all collections that are named after an account of the person; gives the accounts."""
        accounts = self.accounts(account)
        digests = [digest(name) for name in accounts]
        self._log({"left": digests})
        for number in range(self._read):
            fact = self._joins.get(_key(number))
            if fact and set(fact.get("joined", ())) & set(accounts):
                self._joins.put(_key(number), {})
        for owner in digests:
            self._codes.drop([key for key, _, _ in self._codes.where(owner=owner)])
        self._store.erase([name for name in self._store.names("") if name.endswith(tuple(digests))])
        return accounts

    def _log(self, fact: Fact) -> None:
        """Appends to the log of joins: the next free number is ours when our claim on it wins."""
        self._catch_up()
        while not self._joins.claim(_key(self._read), fact):
            self._catch_up()
        self._catch_up()

    def _catch_up(self, older: float = 0.0) -> None:
        """Reads what was logged since, unless that was done less than `older` seconds ago."""
        with self._reading:
            if time.monotonic() - self._looked < older:
                return
            self._looked = time.monotonic()
            while new := self._joins.get_all([_key(self._read + step) for step in range(_AHEAD)]):
                for fact in new:
                    self._groups = _after(self._groups, fact)
                self._read += len(new)


def _key(number: int) -> str:
    return f"{number:08d}"


def plain_code(text: str) -> str:
    """A code as it was made, however it was typed: small letters, spaces and dashes do not matter."""
    return "".join(sign for sign in text.upper() if sign in ALPHABET)


def is_code(text: str) -> bool:
    """Whether the text could be a code."""
    return len(plain_code(text)) == LENGTH and len(text.strip()) <= LENGTH + 2


def _after(groups: dict[str, Group], fact: dict[str, Any]) -> dict[str, Group]:
    """Who is one person once this happened."""
    if names := fact.get("joined"):
        return {**groups, **_together(groups, names)}
    left: Sequence[str] = fact.get("left", ())
    gone = {name for name in groups if digest(name) in left}
    return {name: group - gone for name, group in groups.items() if name not in gone}


def _together(groups: dict[str, Group], names: Iterable[str]) -> dict[str, Group]:
    whole = frozenset().union(*(groups.get(name, frozenset({name})) for name in names))
    return dict.fromkeys(whole, whole)
