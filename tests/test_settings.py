"""Settings from the environment and from one file, mistakes in them, and where a key may go."""

from pathlib import Path

import pytest

from tutor.errors import SettingsError
from tutor.settings import OPENAI, Endpoint, Settings


def written(folder: Path, text: str) -> dict[str, str]:
    """An environment that names a settings file with this text."""
    file = folder / "settings.toml"
    file.write_text(text, encoding="utf-8")
    return {"TUTOR_SETTINGS": str(file)}


def test_a_file_sets_what_the_environment_does_not(tmp_path: Path) -> None:
    env = written(
        tmp_path, 'model = "qwen3"\nbase_url = "http://127.0.0.1:11434/v1"\nshared = true\nday_tokens = 5000\n'
    )
    settings = Settings.from_env({**env, "TUTOR_MODEL": "llama"})
    assert (settings.model, settings.base_url) == ("llama", "http://127.0.0.1:11434/v1")
    assert settings.shared
    assert settings.day_tokens == 5000
    assert settings.file == tmp_path / "settings.toml"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("modle = 'x'", "there is no setting modle; settings: api_key, base_url"),
        ("model = [1]", "model is not a text"),
        ("model = ", "Invalid value.*write one setting a line"),
        ("[model]\nname = 'x'", "model is not a text"),
        ("base_url = 'localhost:8000'", "TUTOR_BASE_URL is 'localhost:8000'"),
        ("day_tokens = -1", "TUTOR_DAY_TOKENS is '-1'"),
        ("patience = 'long'", "TUTOR_PATIENCE is 'long'"),
        ("patience = nan", "TUTOR_PATIENCE is 'nan'"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        Settings.from_env(written(tmp_path, text))


def test_a_file_that_is_named_but_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there is no such file"):
        Settings.from_env({"TUTOR_SETTINGS": str(tmp_path / "none.toml")})


def test_the_judge_is_the_talking_model_as_far_as_no_other_is_named() -> None:
    env = {"TUTOR_MODEL": "small", "TUTOR_BASE_URL": "http://127.0.0.1:1/v1", "TUTOR_API_KEY": "k"}
    assert Settings.from_env(env).judging == Endpoint("small", "http://127.0.0.1:1/v1", "k")
    other = Settings.from_env({**env, "TUTOR_JUDGE_MODEL": "large"}).judging
    assert other == Endpoint("large", "http://127.0.0.1:1/v1", "k")
    assert Settings.from_env(env).embedding.model == "", "no embeddings unless a model is named"


def test_a_key_goes_to_the_address_that_it_was_given_for_only(tmp_path: Path) -> None:
    talking = {"TUTOR_MODEL": "m", "TUTOR_API_KEY": "k"}
    elsewhere = Settings.from_env({**talking, "TUTOR_JUDGE_BASE_URL": "http://127.0.0.1:1/v1"})
    assert elsewhere.judging.api_key == ""
    assert elsewhere.talking.address == OPENAI
    assert Settings.from_env({"TUTOR_MODEL": "m", "OPENAI_API_KEY": "o"}).api_key == "o"
    local = {"TUTOR_MODEL": "m", "TUTOR_BASE_URL": "http://127.0.0.1:1/v1", "OPENAI_API_KEY": "o"}
    assert Settings.from_env(local).api_key == ""
    env = written(tmp_path, 'model = "m"\nbase_url = "https://one.example/v1"\napi_key = "one"\n')
    assert Settings.from_env(env).api_key == "one"
    assert Settings.from_env({**env, "TUTOR_BASE_URL": "https://two.example/v1"}).api_key == ""


def test_keys_and_passwords_are_not_shown() -> None:
    env = {
        "TUTOR_MODEL": "m", "TUTOR_API_KEY": "s3cret", "TUTOR_JUDGE_API_KEY": "s3cret",
        "TUTOR_EMBEDDINGS_API_KEY": "s3cret", "TUTOR_BASE_URL": "https://me:pass@one.example:81/v1?token=s3cret",
    }  # fmt: skip
    settings = Settings.from_env(env)
    assert "s3cret" not in repr(settings)
    assert "pass@" not in repr(settings)
    assert settings.talking.host == "https://one.example:81/v1"
