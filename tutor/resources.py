"""Where cards and prompts are: beside the package in a checkout, inside it once it is installed."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def resource(name: str) -> Path:
    """The folder `knowledge` or `prompts` that came with the tutor."""
    installed = _PACKAGE / "data" / name
    return installed if installed.is_dir() else _PACKAGE.parent / name
