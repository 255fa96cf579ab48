"""Reads the prompts for models and the phrases for learners, and fills them in strictly.

A missing phrase, a missing value and a value that is not used are errors: a sentence is never half filled.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Template
from typing import Any

import yaml

from tutor.cards import LANGUAGES, Language
from tutor.errors import PromptError


def filled(template: str, where: str, values: Mapping[str, object]) -> str:
    """The template with its `$name` placeholders filled; raises PromptError when names and values differ."""
    wanted = set(Template(template).get_identifiers())
    if missing := wanted - set(values):
        raise PromptError(f"{where}: no value for ${sorted(missing)[0]}")
    if unused := set(values) - wanted:
        raise PromptError(f"{where}: there is no ${sorted(unused)[0]} to fill")
    return Template(template).substitute({name: str(value) for name, value in values.items()})


class Phrases:
    """Every fixed sentence that a learner can read, in both languages."""

    def __init__(self, phrases: Mapping[str, Mapping[str, str]], where: str) -> None:
        self._phrases = phrases
        self._where = where

    def __call__(self, key: str, language: Language, /, **values: object) -> str:
        """The phrase in the language, filled in; raises PromptError when it is missing."""
        try:
            template = self._phrases[key][language]
        except KeyError:
            raise PromptError(f"{self._where}: there is no phrase {key} in {language}; add it") from None
        return filled(template, f"{self._where}: {key}.{language}", values)

    def keys(self) -> Iterator[str]:
        return iter(self._phrases)

    def words(self, key: str) -> tuple[str, ...]:
        """The words listed under a key, of both languages, separated by `|` in the file."""
        return tuple(word.strip() for language in LANGUAGES for word in self(key, language).split("|"))


def load_phrases(folder: Path) -> Phrases:
    """The phrases of `phrases.yaml`, and the words of `turns.yaml` that tell requests from answers.

    Raises PromptError where a language or a placeholder is missing on one side.
    """
    path = folder / "phrases.yaml"
    phrases = dict(_flat(_read_yaml(path)))
    if (turns := folder / "turns.yaml").exists():
        phrases |= dict(_flat(_read_yaml(turns)))
    for key, texts in phrases.items():
        if set(texts) != set(LANGUAGES):
            raise PromptError(f"{path}: {key}: give en and zh")
        names = [set(Template(texts[language]).get_identifiers()) for language in LANGUAGES]
        if names[0] != names[1]:
            raise PromptError(f"{path}: {key}: en and zh do not use the same placeholders")
    return Phrases(phrases, str(path))


def load_prompt(folder: Path, name: str, **values: object) -> str:
    """The prompt `name`.md with its placeholders filled."""
    path = folder / f"{name}.md"
    try:
        template = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise PromptError(f"{path}: there is no such prompt") from None
    return filled(template, str(path), values)


def _read_yaml(path: Path) -> Any:
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    except FileNotFoundError:
        raise PromptError(f"{path}: there is no such file") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise PromptError(f"{path}:{mark.line + 1 if mark else 1}: not YAML; mend it there") from None


def _flat(tree: Any, prefix: str = "") -> Iterator[tuple[str, dict[str, str]]]:
    """The phrases by dotted key: a mapping of en and zh is a phrase, any other mapping a group."""
    if not isinstance(tree, dict):
        raise PromptError(f"{prefix or 'phrases'}: expected a group or a phrase with en and zh")
    if set(tree) & set(LANGUAGES):
        yield prefix, {language: str(text) for language, text in tree.items()}
        return
    for name, branch in tree.items():
        yield from _flat(branch, f"{prefix}.{name}" if prefix else str(name))
