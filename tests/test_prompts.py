"""Prompts and phrases: whole, in both languages, filled without a rest."""

import re
from pathlib import Path
from string import Template

import pytest

from tutor.cards import LANGUAGES, Language
from tutor.errors import PromptError
from tutor.opening import tutor_prompts
from tutor.prompts import Phrases, filled, load_phrases, load_prompt
from tutor.resources import resource

FOLDER = resource("prompts")
SOURCE = Path(__file__).parent.parent / "tutor"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.md")), ids=lambda path: path.name)
def test_a_prompt_renders_with_nothing_left_to_fill(path: Path) -> None:
    names = Template(path.read_text(encoding="utf-8")).get_identifiers()
    text = load_prompt(FOLDER, path.stem, **dict.fromkeys(names, "value"))
    assert not re.search(r"\$[a-z_{]|\{[a-z_]+\}", text)


def test_the_tutors_prompt_names_the_language(phrases: Phrases) -> None:
    prompts = tutor_prompts(phrases)
    assert "You speak English" in prompts["en"]
    assert "You speak 中文" in prompts["zh"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_phrase_is_filled_and_in_its_language(phrases: Phrases, language: Language) -> None:
    for key in phrases.keys():  # noqa: SIM118
        names = Template(phrases._phrases[key][language]).get_identifiers()
        text = phrases(key, language, **dict.fromkeys(names, "1"))
        assert text.strip(), key
        assert "$" not in text, key
        if language == "zh":
            assert not re.search(r"[\u3400-\u9fff][,;?!]|[,;?!][\u3400-\u9fff]", text), f"{key}: half-width"
        elif key != "name.chinese":
            assert not re.search(r"[\u3400-\u9fff]", text), key


def test_every_phrase_that_code_names_is_there(phrases: Phrases) -> None:
    known = set(phrases.keys())
    named = {
        key
        for path in SOURCE.rglob("*.py")
        for key in re.findall(
            r"(?:phrases|say|_say|_phrases)\(\s*\"([a-z_]+\.[a-z_0-9]+)\"", path.read_text(encoding="utf-8")
        )
    }
    assert len(named) > 30
    assert named <= known


def test_missing_unknown_and_unused_are_errors(phrases: Phrases) -> None:
    with pytest.raises(PromptError, match=r"no value for \$number"):
        phrases("block.question", "en", of=3)
    with pytest.raises(PromptError, match=r"there is no \$colour to fill"):
        phrases("say.follow", "en", colour="red")
    with pytest.raises(PromptError, match=r"no phrase say\.nonsense in zh"):
        phrases("say.nonsense", "zh")
    with pytest.raises(PromptError, match="there is no such prompt"):
        load_prompt(FOLDER, "nonsense")
    assert filled("$a and ${b}", "here", {"a": 1, "b": 2}) == "1 and 2"


def test_phrases_with_one_language_are_refused(tmp_path: Path) -> None:
    (tmp_path / "phrases.yaml").write_text("say:\n  hello: {en: hello}\n", encoding="utf-8")
    with pytest.raises(PromptError, match=r"say\.hello: give en and zh"):
        load_phrases(tmp_path)
    (tmp_path / "phrases.yaml").write_text("say:\n  hello: {en: hello $you, zh: 你好}\n", encoding="utf-8")
    with pytest.raises(PromptError, match="do not use the same placeholders"):
        load_phrases(tmp_path)
