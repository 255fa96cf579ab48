"""Every setting, read once from the environment and one settings file; nothing else in the tutor looks there."""

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import platformdirs

from tutor.cards import LANGUAGES, Language
from tutor.errors import SettingsError
from tutor.resources import resource

OPENAI = "https://api.openai.com/v1"
"""The endpoint that is meant where a model is named and no address is."""
_OPENAI_KEY = "OPENAI_API_KEY"
PATIENCE = 15.0
"""Seconds that a model may be silent before its first word, unless the settings say otherwise."""


@dataclass(frozen=True)
class Endpoint:
    """A model behind an OpenAI-compatible address; without a model there is none."""

    model: str = ""
    base_url: str = field(default="", repr=False)
    api_key: str = field(default="", repr=False)

    @property
    def address(self) -> str:
        """Where requests go."""
        return self.base_url or OPENAI

    @property
    def host(self) -> str:
        """The address as it may be shown: without a user, a password or a query that stands in it."""
        parts = urlsplit(self.address)
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{parts.hostname}{port}{parts.path}"

    def filled(self, other: "Endpoint") -> "Endpoint":
        """This endpoint, completed from another; a key never goes to an address that it was not given for."""
        base_url = self.base_url or other.base_url
        same = (base_url or OPENAI) == other.address
        return Endpoint(self.model or other.model, base_url, self.api_key or (other.api_key if same else ""))


@dataclass(frozen=True)
class Settings:
    """What an operator can choose. Without `model` the offline engine interviews.

    `patience` is in seconds; the ceilings `turn_tokens`, `session_tokens` and `day_tokens` in tokens, 0 meaning none.
    """

    data: Path
    cards: Path
    cache: Path | None = None
    language: Language = "en"
    learner: str = "me"
    model: str = ""
    base_url: str = field(default="", repr=False)
    api_key: str = field(default="", repr=False)
    chroma_url: str = ""
    skip_damaged: bool = False
    shared: bool = False
    tracing: bool = False
    slack_bot_token: str = field(default="", repr=False)
    slack_app_token: str = field(default="", repr=False)
    slack_signing_secret: str = field(default="", repr=False)
    slack_api: str = "https://slack.com/api/"
    discord_token: str = field(default="", repr=False)
    discord_read_threads: bool = False
    judge: Endpoint = Endpoint()
    embedding: Endpoint = Endpoint()
    patience: float = PATIENCE
    turn_tokens: int = 0
    session_tokens: int = 0
    day_tokens: int = 0
    file: Path | None = None

    @property
    def talking(self) -> Endpoint:
        """The model that talks to the learner."""
        return Endpoint(self.model, self.base_url, self.api_key)

    @property
    def judging(self) -> Endpoint:
        """The model that grades: the one that talks, as far as no other is named."""
        return self.judge.filled(self.talking)

    @property
    def finding(self) -> Endpoint:
        """The embedding model that helps to find cards, at the address of the talking model unless another is named."""
        talking = Endpoint("", self.base_url, self.api_key)
        return self.embedding.filled(talking) if self.embedding.model else Endpoint()

    @staticmethod
    def from_env(environment: Mapping[str, str] | None = None) -> "Settings":
        """The settings of `environment` (the process's own by default) and of the settings file.

        What the environment says goes before what stands in the file. Raises SettingsError.
        """
        file = _file(os.environ if environment is None else environment)
        written = _read(file) if file else {}
        env = _Lookup(_together(written, os.environ if environment is None else environment))
        settings = Settings._of(env, file)
        if unknown := sorted(set(written) - env.looked_up):
            known = ", ".join(
                sorted(name.removeprefix("TUTOR_").lower() for name in env.looked_up if name != _OPENAI_KEY)
            )
            raise SettingsError(f"{file}: there is no setting {unknown[0][6:].lower()}; settings: {known}")
        return settings

    @staticmethod
    def _of(env: Mapping[str, str], file: Path | None) -> "Settings":
        language = env.get("TUTOR_LANGUAGE") or _system_language(env)
        if language not in LANGUAGES:
            raise SettingsError(f"TUTOR_LANGUAGE is {language!r}; set it to en or zh")
        chroma_url = env.get("TUTOR_CHROMA_URL", "")
        if chroma_url and not chroma_url.startswith(("http://", "https://")):
            raise SettingsError(
                f"TUTOR_CHROMA_URL is {chroma_url!r}; set it to an address such as http://127.0.0.1:8000"
            )
        return Settings(
            data=Path(env.get("TUTOR_DATA") or platformdirs.user_data_path("interview-tutor", appauthor=False)),
            cards=Path(env.get("TUTOR_CARDS") or resource("knowledge")),
            cache=platformdirs.user_cache_path("interview-tutor", appauthor=False),
            language=language,
            learner=env.get("TUTOR_LEARNER") or "me",
            model=env.get("TUTOR_MODEL", ""),
            base_url=_address(env, "TUTOR_BASE_URL"),
            api_key=_api_key(env),
            chroma_url=chroma_url,
            skip_damaged=_switch(env, "TUTOR_SKIP_DAMAGED_CARDS"),
            shared=_switch(env, "TUTOR_SHARED"),
            tracing=_switch(env, "TUTOR_TRACING"),
            slack_bot_token=env.get("TUTOR_SLACK_BOT_TOKEN", ""),
            slack_app_token=env.get("TUTOR_SLACK_APP_TOKEN", ""),
            slack_signing_secret=env.get("TUTOR_SLACK_SIGNING_SECRET", ""),
            slack_api=env.get("TUTOR_SLACK_API") or "https://slack.com/api/",
            discord_token=env.get("TUTOR_DISCORD_TOKEN", ""),
            discord_read_threads=_switch(env, "TUTOR_DISCORD_READ_THREADS"),
            judge=Endpoint(
                env.get("TUTOR_JUDGE_MODEL", ""),
                _address(env, "TUTOR_JUDGE_BASE_URL"),
                env.get("TUTOR_JUDGE_API_KEY", ""),
            ),
            embedding=Endpoint(
                env.get("TUTOR_EMBEDDING_MODEL", ""),
                _address(env, "TUTOR_EMBEDDING_BASE_URL"),
                env.get("TUTOR_EMBEDDING_API_KEY", ""),
            ),
            patience=_number(env, "TUTOR_PATIENCE") or PATIENCE,
            turn_tokens=int(_number(env, "TUTOR_TURN_TOKENS")),
            session_tokens=int(_number(env, "TUTOR_SESSION_TOKENS")),
            day_tokens=int(_number(env, "TUTOR_DAY_TOKENS")),
            file=file,
        )


def settings_path() -> Path:
    """Where the settings file is looked for, unless TUTOR_SETTINGS names another."""
    return platformdirs.user_config_path("interview-tutor", appauthor=False) / "settings.toml"


def _file(env: Mapping[str, str]) -> Path | None:
    """The settings file, if there is one; the user's own is read for the process's own environment only."""
    named = env.get("TUTOR_SETTINGS", "")
    if named:
        if not Path(named).is_file():
            raise SettingsError(f"TUTOR_SETTINGS is {named!r}, and there is no such file")
        return Path(named)
    usual = settings_path()
    return usual if env is os.environ and usual.is_file() else None


def _read(file: Path) -> dict[str, str]:
    """The settings of a file by the names of their variables: `model = "..."` is TUTOR_MODEL."""
    try:
        tree = tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f'{file}: {error}; write one setting a line, such as: model = "qwen3"') from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} cannot be read ({error})") from None
    for name, value in tree.items():
        if not isinstance(value, str | bool | int | float):
            raise SettingsError(f"{file}: {name} is not a text, a number, true or false")
    return {
        f"TUTOR_{name.upper()}": str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in tree.items()
    }


def _together(written: Mapping[str, str], env: Mapping[str, str]) -> dict[str, str]:
    """File and environment; a key of the file stays away from an address that the environment has put in its place."""
    together = {**written, **env}
    for name in ("", "JUDGE_", "EMBEDDING_"):
        base_url, api_key = f"TUTOR_{name}BASE_URL", f"TUTOR_{name}API_KEY"
        if api_key not in env and together.get(base_url) != written.get(base_url):
            together.pop(api_key, None)
    return together


class _Lookup(Mapping[str, str]):
    """Settings that remember which names were looked up: any other name in a settings file is a mistake."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self.looked_up: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.looked_up.add(name)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def _api_key(env: Mapping[str, str]) -> str:
    """The key; one that was set for OpenAI goes to OpenAI only."""
    own, shared = env.get("TUTOR_API_KEY", ""), env.get(_OPENAI_KEY, "")
    return own or (shared if env.get("TUTOR_BASE_URL", "").rstrip("/") in ("", OPENAI) else "")


def _address(env: Mapping[str, str], name: str) -> str:
    value = env.get(name, "").strip().rstrip("/")
    if value and (urlsplit(value).scheme not in ("http", "https") or not urlsplit(value).hostname):
        raise SettingsError(f"{name} is {value!r}; set it to an address such as http://127.0.0.1:11434/v1")
    return value


def _number(env: Mapping[str, str], name: str) -> float:
    value = env.get(name, "")
    try:
        number = float(value or 0)
    except ValueError:
        number = -1.0
    if not 0 <= number < 1e12:
        raise SettingsError(f"{name} is {value!r}; set it to a number, or leave it unset")
    return number


def _switch(env: Mapping[str, str], name: str) -> bool:
    value = env.get(name, "").lower()
    if value not in ("", "0", "1", "no", "yes", "false", "true"):
        raise SettingsError(f"{name} is {value!r}; set it to 1 or 0")
    return value in ("1", "yes", "true")


def _system_language(env: Mapping[str, str]) -> str:
    locale = env.get("LC_ALL") or env.get("LC_MESSAGES") or env.get("LANG") or ""
    return "zh" if locale.startswith("zh") else "en"


def stay_silent(settings: Settings) -> None:
    """Keeps the libraries from telling anybody that they run: analytics and tracing are off unless asked for.

    `LANGSMITH_TRACING_V2` is the one variable that wins over all others that LangSmith reads.
    """
    os.environ.update(GRADIO_ANALYTICS_ENABLED="False", GRADIO_RUN_HISTORY="False", ANONYMIZED_TELEMETRY="False")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    if not settings.tracing:
        os.environ["LANGSMITH_TRACING_V2"] = "false"
        os.environ.pop("LANGCHAIN_TRACING", None)
