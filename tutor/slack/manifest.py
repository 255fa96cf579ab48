"""The file from which the Slack app is made, and what it must be allowed to do."""

from pathlib import Path

import yaml


def manifest() -> str:
    """The manifest, to be pasted where Slack makes apps."""
    return Path(__file__).with_name("manifest.yaml").read_text(encoding="utf-8")


def scopes() -> tuple[str, ...]:
    """The scopes that the bot needs."""
    return tuple(yaml.safe_load(manifest())["oauth_config"]["scopes"]["bot"])
