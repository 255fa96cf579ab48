"""The documentation tells the truth: commands, settings, topics and links."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.topics import FILES, table
from tutor.cards import LANGUAGES, Language
from tutor.events import COMMANDS
from tutor.prompts import Phrases

ROOT = Path(__file__).parent.parent


def readme(language: Language) -> str:
    return FILES[language].read_text(encoding="utf-8")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_topics_are_those_of_the_folder(language: Language) -> None:
    assert table(language) in readme(language), "run: make topics"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_setting_is_explained_and_no_other(language: Language) -> None:
    read = set(re.findall(r"\"(TUTOR_[A-Z_]+)\"", (ROOT / "tutor" / "settings.py").read_text(encoding="utf-8")))
    rows = re.findall(r"^\| (`TUTOR_[^|]*)\|", readme(language), re.MULTILINE)
    explained = {name for row in rows for name in re.findall(r"TUTOR_[A-Z_]+", row)}
    assert explained == read


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_command_of_the_tutor_is_explained(language: Language, phrases: Phrases) -> None:
    usage = subprocess.run([sys.executable, "-m", "tutor", "--help"], capture_output=True, text=True, check=True).stdout
    for command in re.findall(r"^    ([a-z]+) ", usage, re.MULTILINE):
        assert f"tutor {command}" in readme(language)
    for word in COMMANDS:
        assert phrases.words(f"commands.{word}")[0] in readme(language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_make_targets_and_files_that_are_named_exist(language: Language) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"\bmake ([a-z]+)", readme(language)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for link in re.findall(r"\]\(([^)#]+)\)", readme(language)):
        assert link.startswith("https://") or (ROOT / link).exists(), link


def test_the_lock_names_no_place_to_fetch_from() -> None:
    for lock in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / lock).read_text(encoding="utf-8")
        assert "--hash=sha256:" in text
        assert "://" not in text
