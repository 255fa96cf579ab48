"""Every setting, read once from the environment; nothing else in the tutor looks there."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs

from tutor.cards import LANGUAGES, Language
from tutor.errors import SettingsError
from tutor.resources import resource


@dataclass(frozen=True)
class Settings:
    """What an operator can choose. Without `model` the offline engine interviews."""

    data: Path
    cards: Path
    cache: Path | None = None
    language: Language = "en"
    learner: str = "me"
    model: str = ""
    base_url: str = ""
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

    @staticmethod
    def from_env(environment: Mapping[str, str] | None = None) -> "Settings":
        """The settings of `environment` (the process's own by default); raises SettingsError."""
        env = os.environ if environment is None else environment
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
            base_url=env.get("TUTOR_BASE_URL", ""),
            api_key=env.get("TUTOR_API_KEY", "") or env.get("OPENAI_API_KEY", ""),
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
        )


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
