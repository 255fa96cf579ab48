"""The command line as a person meets it: real processes, pipes, mistakes."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import CARDS

HOME_NAMES = ("PATH", "LANG", "SYSTEMROOT")


class Shell:
    """Runs `python -m tutor` with a home of its own."""

    def __init__(self, folder: Path) -> None:
        self.env = {name: os.environ[name] for name in HOME_NAMES if name in os.environ}
        self.env |= {
            "HOME": str(folder),
            "TUTOR_DATA": str(folder / "data"),
            "TUTOR_CARDS": str(CARDS),
            "LANG": "C.UTF-8",
        }
        self.env["PYTHONWARNINGS"] = "default"
        self.folder = folder

    def __call__(self, *arguments: str, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tutor", *arguments],
            input=stdin, capture_output=True, text=True, timeout=120, env={**self.env, **env}, cwd=self.folder,
        )  # fmt: skip


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def test_an_interview_through_a_pipe_is_plain_text(shell: Shell) -> None:
    result = shell("chat", "--topic", "memory", "--questions", "1", stdin="hint\nkeys of past tokens\nend\n")
    assert result.returncode == 0, result.stderr
    assert "What is stored in the KV cache" in result.stdout
    assert "Grade: 4.3 of 10" in result.stdout
    assert "\x1b" not in result.stdout
    assert result.stderr == ""


def test_an_interview_goes_on_where_it_was(shell: Shell) -> None:
    first = shell("chat", "--topic", "memory", "--questions", "1", stdin="keys of past tokens\n")
    found = re.search(r"tutor chat --session (\S+)", first.stdout)
    assert found
    second = shell("chat", "--session", found.group(1), stdin="memory grows with the length\nend\n")
    assert "keys of past tokens" in second.stdout
    assert "Grade: 8.6 of 10" in second.stdout
    listed = shell("sessions").stdout
    assert listed.startswith(found.group(1))
    assert "Memory · practice · questions: 1" in listed


def test_report_and_export(shell: Shell) -> None:
    shell("chat", "--language", "zh", "--topic", "memory", "--questions", "1", stdin="存之前 token 的 K 和 V\n结束\n")
    assert "总分：4.3 / 10" in shell("report").stdout
    markdown = shell("export", "--format", "md").stdout
    assert "“存之前 token 的 K 和 V”" in markdown
    assert "## 面试报告" in markdown
    assert shell("export", "--format", "json", "--output", "session.json").returncode == 0
    data = json.loads((shell.folder / "session.json").read_text(encoding="utf-8"))
    assert data["report"]["score"] == 4.3
    events = [m["data"].get("artifact") or m["data"]["additional_kwargs"].get("event") for m in data["messages"]]
    assert [event["kind"] for event in events if event] == [
        "session_started", "question_asked", "answer_graded", "follow_up_asked", "command_given",
    ]  # fmt: skip


def test_the_report_in_every_form(shell: Shell) -> None:
    shell("chat", "--language", "zh", "--topic", "memory", "--questions", "1", stdin="存之前 token 的 K 和 V\n结束\n")
    page = shell("report", "--html", "--output", "report.html")
    assert (page.returncode, page.stdout) == (0, "")
    html = (shell.folder / "report.html").read_text(encoding="utf-8")
    assert html.startswith("<!doctype html>")
    assert "总分：4.3 / 10" in html
    assert "<nav>" not in html
    assert json.loads(shell("report", "--json").stdout)["score"] == 4.3
    assert "### 逐个要点" in shell("report", "--markdown").stdout


def test_progress_review_and_taking_away(shell: Shell) -> None:
    assert "No question has been answered yet" in shell("progress").stdout
    assert shell("chat", "--due").stdout == "Nothing is due today.\n"
    shell("chat", "--topic", "memory", "--questions", "1", stdin="keys of past tokens\nskip\n")
    shown = shell("progress").stdout
    assert "1 interviews · 1 questions answered" in shown
    assert "asked 1 of 1" in shown
    assert "## What is stored in the KV cache" in shell("export", "--cards", "weak").stdout
    deck = shell("export", "--cards", "lora-rank", "--cards", "asked", "--format", "apkg", "--output", "deck.apkg")
    assert deck.returncode == 0
    assert zipfile.is_zipfile(shell.folder / "deck.apkg")
    assert shell("export", "--all", "--output", "mine.zip").returncode == 0
    other = str(shell.folder / "other")
    assert (
        "interviews in the file: 1, records that are new here: 6"
        in shell("import", "mine.zip", TUTOR_DATA=other).stdout
    )
    assert shell("report", TUTOR_DATA=other).stdout == shell("report").stdout
    assert "tutor export --all" in shell("import", "deck.apkg").stderr
    assert shell("sessions", TUTOR_DATA=other).stdout == shell("sessions").stdout


@pytest.mark.parametrize(
    "command",
    [[], ["chat"], ["serve"], ["report"], ["progress"], ["export"], ["import"], ["check"], ["sessions"], ["grade"]],
)
def test_help_everywhere(shell: Shell, command: list[str]) -> None:
    result = shell(*command, "--help")
    assert result.returncode == 0
    assert "usage: tutor" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "env", "told"),
    [
        (["fly"], {}, "invalid choice: 'fly'"),
        ([], {}, "required: COMMAND"),
        (["chat", "--level", "guru"], {}, "invalid choice: 'guru' (choose from"),
        (["chat", "--questions", "0"], {}, "'0' is not a number from 1 to 100"),
        (["chat", "--topic", "cooking"], {}, "there is no topic cooking; topics: memory, adapters"),
        (["chat", "--session", "../x"], {}, "'../x' is not a session"),
        (["chat", "--session", "unknown"], {}, "no interview under this address"),
        (["chat"], {"TUTOR_LANGUAGE": "fr"}, "TUTOR_LANGUAGE is 'fr'; set it to en or zh"),
        (["chat"], {"TUTOR_CARDS": "nowhere"}, "there is no such file; is this a folder of cards?"),
        (["chat"], {"TUTOR_CHROMA_URL": "localhost:1"}, "set it to an address such as http://127.0.0.1:8000"),
        (["chat"], {"TUTOR_CHROMA_URL": "http://127.0.0.1:1"}, "Chroma server at http://127.0.0.1:1 cannot be used"),
        (["chat"], {"TUTOR_MODEL": "gpt"}, "TUTOR_MODEL is set but TUTOR_API_KEY is not"),
        (["serve", "--port", "99999"], {}, "'99999' is not a port"),
        (["serve", "--host", "0.0.0.0"], {}, "set TUTOR_SHARED=1 to tell browsers apart"),
        (["report"], {}, "there is no interview yet; start one with: tutor chat"),
        (["export", "--format", "pdf"], {}, "invalid choice: 'pdf'"),
        (["export", "--format", "apkg"], {}, "for example: tutor export --cards weak --format apkg"),
        (["export", "--cards", "all", "--format", "json"], {}, "cards come as md or apkg"),
        (["export", "--cards", "weak"], {}, "none of the cards is among those"),
        (["export", "--cards", "fly"], {}, "there is no card fly; give ids of cards, or weak, due, asked, all"),
        (["export", "--cards", "all", "--all"], {}, "not allowed with argument --cards"),
        (["report", "--html", "--json"], {}, "not allowed with argument --html"),
        (["import", "nowhere.zip"], {}, "nowhere.zip cannot be read (No such file or directory)"),
        (["grade", "nothing"], {}, "there is no card nothing"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)  # fmt: skip
def test_a_mistake_is_told_in_one_line(shell: Shell, arguments: list[str], env: dict[str, str], told: str) -> None:
    result = shell(*arguments, **env)
    assert result.returncode in (1, 2)
    assert told in result.stderr
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.stderr


def test_a_port_in_use_is_named(shell: Shell) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        result = shell("serve", "--port", port)
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert f"127.0.0.1:{port} cannot be used (Address already in use); choose another with --port" in result.stderr


def test_check_names_file_line_and_remedy(shell: Shell) -> None:
    folder = shell.folder / "cards"
    shutil.copytree(CARDS, folder)
    assert "2 cards, nothing to mend" in shell("check", TUTOR_CARDS=str(folder)).stdout
    path = folder / "memory" / "kv-cache.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("level: mid", "level: middle"), encoding="utf-8")
    result = shell("check", TUTOR_CARDS=str(folder))
    assert result.returncode == 1
    assert f"{path}:1: level: Input should be" in result.stdout
    assert "no card nothing" in shell("check", "nothing", TUTOR_CARDS=str(folder)).stdout
    stopped = shell("chat", TUTOR_CARDS=str(folder), stdin="end\n")
    assert (stopped.returncode, stopped.stderr.count("\n")) == (1, 1)
    allowed = shell("chat", TUTOR_CARDS=str(folder), TUTOR_SKIP_DAMAGED_CARDS="1", stdin="end\n")
    assert allowed.returncode == 0
    assert "left out:" in allowed.stderr


def test_the_terminal_is_not_rewritten_by_an_answer(shell: Shell) -> None:
    result = shell("chat", "--topic", "memory", stdin="\x1b[2J\x1b]0;title\x07 keys of past tokens\nend\n")
    assert "\x1b" not in result.stdout
    assert "keys of past tokens" in result.stdout


def test_the_language_follows_the_system(shell: Shell) -> None:
    assert "欢迎" in shell("chat", stdin="结束\n", LANG="zh_CN.UTF-8").stdout


def test_gradio_is_not_loaded_for_the_terminal() -> None:
    code = (
        "import sys, tutor.__main__, tutor.opening, tutor.terminal\n"
        "print([name for name in ('gradio', 'openai') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
