"""`tutor eval`: measures a grader and prints what came out, as a table and as JSON."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tutor.evaluating import Runner, measured_attacks, measured_own, measured_public, own_set, public_set, speed
from tutor.grading import Grader
from tutor.opening import make_grader, open_shelf
from tutor.resources import resource
from tutor.settings import Settings, stay_silent

LISTED = ("misses", "fooled")
"""What stands in the JSON only."""


def run(chosen: argparse.Namespace) -> int:
    """Measures all that was named; 2 where nothing was."""
    console = Console()
    if not (chosen.graded or chosen.public or chosen.attacks):
        console.print("tutor eval: name --graded FOLDER, --public FILE or --attacks")
        return 2
    settings = Settings.from_env()
    stay_silent(settings)
    shelf = open_shelf(settings)
    grader = make_grader(settings, shelf, chosen.grader)
    results: dict[str, Any] = {}
    with Progress(console=console, transient=True) as progress:

        def measure(name: str, total: int | None, work: Callable[[Runner], dict[str, Any]]) -> None:
            runner = _runner(grader, chosen.keep, f"{chosen.grader}-{name}", progress, total)
            results[name] = {**work(runner), **speed(runner)}
            _show(console, name, results[name])

        if chosen.graded:
            answers = own_set(chosen.graded, chosen.part)
            measure("graded", len(answers), lambda runner: measured_own(answers, shelf, runner))
        for path in chosen.public:
            rows = public_set(path)
            measure(path.stem, len(rows), lambda runner, rows=rows: measured_public(rows, runner))  # type: ignore[misc]
        if chosen.attacks:
            texts = yaml.safe_load((resource("prompts") / "attacks.yaml").read_text(encoding="utf-8"))
            measure("attacks", None, lambda runner: measured_attacks(shelf, texts, runner))
    if chosen.json:
        chosen.json.write_text(json.dumps({"grader": chosen.grader, **results}, ensure_ascii=False, indent=1), "utf-8")
    return 0


def _runner(grader: Grader, keep: Path | None, name: str, progress: Progress, total: int | None) -> Runner:
    task = progress.add_task(name, total=total)
    kept = None
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
        kept = keep / f"{name}.jsonl"
    return Runner(grader, kept, on_step=lambda done: progress.advance(task, done))


def _show(console: Console, name: str, result: dict[str, Any]) -> None:
    table = Table(title=name)
    table.add_column("measure")
    table.add_column("value", justify="right")
    for key, value in result.items():
        if key in LISTED:
            table.add_row(f"{key} (see the JSON)", str(len(value)))
        elif isinstance(value, dict):
            for inner, figure in value.items():
                table.add_row(f"{key}: {inner}", _written(figure))
        else:
            table.add_row(key, _written(value))
    console.print(table)


def _written(value: Any) -> str:
    if isinstance(value, list) and len(value) == 3:
        return f"{value[0]} [{value[1]}, {value[2]}]"
    return " / ".join(map(str, value)) if isinstance(value, list) else str(value)
