"""Imports go down only, and what belongs to one module stays there."""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "tutor"
LAYERS = [
    {"errors", "resources", "plain", "hygiene", "compacting"},
    {"cards", "wording"},
    {"matching", "statements", "stance", "prompts", "fitted"},
    {"grading", "formulas", "html", "measures", "attacks"},
    {"likeness", "reciting"},
    {"rough"},
    {"rubric"},
    {"events", "settings", "folding"},
    {"interview", "turns"},
    {"clock", "spacing", "highlights"},
    {"evaluating", "planning", "dialogue", "speech", "report", "shown", "checking", "shelving"},
    {"progress", "reporting"},
    {"costs", "describing"},
    {
        "chat.markup",
        "history",
        "models.failures",
        "models.joining",
        "models.thinking",
        "models.tokens",
        "models.offline",
    },
    {"models.breaker", "models.metering", "models.raised"},
    {"models.calling", "models.embedding", "requests"},
    {"models.provider"},
    {"judging", "meaning", "models"},
    {
        "summaries",
        "chat.splitting",
        "chat.posts",
        "chat.wishes",
        "facts",
        "search",
        "sessions",
        "backup",
        "decks",
        "doctor",
        "spending",
    },
    {"people", "archive", "asides", "chat.inbox", "chat.marks", "chat.progress"},
    {"tools"},
    {"agent"},
    {"tutor"},
    {"opening", "exporting", "recording"},
    {"accounts", "eval_command"},
    {"chat.places"},
    {
        "chat.answering",
        "chat.pacing",
        "terminal",
        "terminal_progress",
        "web.watching",
        "web.render",
        "web.document",
        "web.plots",
    },
    {"chat.dispatching", "chat.working", "chat", "web.accounts", "web.report", "web.progress"},
    {
        "chat.daily",
        "chat.serving",
        "slack.render",
        "slack.requests",
        "slack.signing",
        "slack.manifest",
        "web.page",
        "web.routes",
    },
    {"discord.render", "discord.talks", "discord.commands"},
    {"discord.calls", "discord.requests", "slack.platform", "slack.app", "web.server"},
    {"discord.platform", "slack.receiving"},
    {"discord.gateway"},
    {"discord.running", "slack.running"},
    {"discord", "slack", "web"},
    {"__main__"},
]
BORDERS = next(number for number, names in enumerate(LAYERS) if "history" in names)
CHAT = {"plain", "chat.markup", "chat.marks", "chat.progress", "chat.splitting", "chat.posts", "chat.wishes"}
PURE = set().union(CHAT, *LAYERS[1:BORDERS]) - {"settings", "shelving", "evaluating"}
ALLOWED_IN_PURE = {
    "pydantic", "yaml", "numpy", "snowballstemmer", "rapidfuzz", "pylatexenc", "langchain_core",
    "collections", "dataclasses", "functools", "itertools", "typing", "re", "unicodedata", "bisect", "random",
    "difflib", "statistics", "math", "base64", "pathlib", "string", "threading", "datetime", "fsrs",
    "html", "markdown_it", "regex",
}  # fmt: skip
ONLY = {
    "chromadb": {"history", "search"},
    "discord": {f"discord.{name}" for name in ("calls", "commands", "gateway", "requests", "running")},
    "gradio": {"web.accounts", "web.page", "web.server"},
    "slack_bolt": {"slack.app", "slack.receiving", "slack.running"},
    "slack_sdk": {"slack.app", "slack.platform", "slack.running"},
    "os": {"settings", "history", "shelving"},
    "rich": {"terminal", "terminal_progress", "eval_command", "__main__"},
}


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


MODULES = {name: path for path in PACKAGE.rglob("*.py") if (name := name_of(path))}


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return found


def own_imports(path: Path) -> set[str]:
    return {
        name
        for full in imports(path)
        if full.startswith("tutor.")
        for name in [full.removeprefix("tutor.")]
        if name in MODULES
    }


def layer(name: str) -> int:
    return next(number for number, names in enumerate(LAYERS) if name in names)


def test_every_module_has_a_layer() -> None:
    assert set(MODULES) == set().union(*LAYERS)


@pytest.mark.parametrize("name", sorted(MODULES))
def test_imports_go_down_only(name: str) -> None:
    below = {other for other in own_imports(MODULES[name]) if layer(other) < layer(name)}
    inside = {other for other in own_imports(MODULES[name]) if layer(other) == layer(name)}
    packages = {other for other in inside if name.startswith(f"{other}.") or other.startswith(f"{name}.")}
    assert own_imports(MODULES[name]) == below | packages


@pytest.mark.parametrize("name", sorted(PURE))
def test_pure_modules_reach_nothing_outside(name: str) -> None:
    roots = {full.split(".")[0] for full in imports(MODULES[name])} - {"tutor"}
    assert roots <= ALLOWED_IN_PURE


@pytest.mark.parametrize(("library", "modules"), ONLY.items())
def test_a_library_is_known_where_it_belongs(library: str, modules: set[str]) -> None:
    users = {name for name, path in MODULES.items() if library in {full.split(".")[0] for full in imports(path)}}
    assert users == modules


def test_nothing_happens_at_import() -> None:
    allowed = (
        ast.Import,
        ast.ImportFrom,
        ast.FunctionDef,
        ast.AsyncFunctionDef,
        ast.ClassDef,
        ast.Assign,
        ast.AnnAssign,
        ast.If,
    )
    for name, path in MODULES.items():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            registered = name == "cards" and isinstance(node, ast.Expr)
            assert isinstance(node, allowed) or text or registered, f"{name}:{node.lineno} runs at import"


def test_exceptions_are_swallowed_in_front_ends_only() -> None:
    broad = {
        name: path.read_text(encoding="utf-8").count("except Exception")
        + path.read_text(encoding="utf-8").count("except BaseException")
        for name, path in MODULES.items()
    }
    assert {name: number for name, number in broad.items() if number} == {
        "chat.dispatching": 1,
        "web.page": 1,
        "web.watching": 1,
    }


def test_sentences_for_learners_stand_in_files() -> None:
    chinese = {
        name
        for name, path in MODULES.items()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and "。" in node.value
        and len(re.findall(r"[\u3400-\u9fff]", node.value)) > 8
    }
    assert chinese == set()
