"""Keeps a copy of the checked cards, so that starting does not read every file again while none has changed."""

import hashlib
import os
import tempfile
from pathlib import Path

from pydantic import ValidationError

from tutor.cards import Shelf, card_files, load_shelf
from tutor.errors import CardError


def shelf_of(folder: Path, cache: Path, damaged: list[CardError] | None = None) -> Shelf:
    """The cards of `folder`, from the copy in `cache` while no file has changed; raises CardError like load_shelf."""
    copy = cache / f"cards-{_fingerprint(folder)}.json"
    try:
        return Shelf.model_validate_json(copy.read_bytes())
    except (OSError, ValidationError):
        pass
    shelf = load_shelf(folder, damaged)
    if not damaged:
        _keep(copy, shelf)
    return shelf


def _fingerprint(folder: Path) -> str:
    """Changes with the name, size or time of any file, and with the version of the format."""
    beside = [folder / f"{name}.yaml" for name in ("topics", "terms", "presets")]
    files = [*card_files(folder), *beside, Path(__file__).with_name("cards.py")]
    stats = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files if path.exists()]
    return hashlib.sha256(repr((str(folder.resolve()), stats)).encode()).hexdigest()[:24]


def _keep(copy: Path, shelf: Shelf) -> None:
    """Writes the copy in one step and removes older ones; a cache that cannot be written is done without."""
    try:
        copy.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=copy.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(shelf.model_dump_json())
        Path(name).replace(copy)
        for old in copy.parent.glob("cards-*.json"):
            if old != copy:
                old.unlink(missing_ok=True)
    except OSError:
        return
