"""The wheel, away from the checkout: cards, prompts, phrases and the page's style travel with it."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's files in a folder of their own."""
    out = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, timeout=120)
    (wheel,) = out.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(out / "site")
    return out / "site"


def run(installed: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Runs the installed tutor from an empty folder; the checkout is not on its path."""
    home = installed.parent / "home"
    home.mkdir(exist_ok=True)
    code = (
        "import sys; sys.path = [p for p in sys.path if p != sys.argv[2]]; sys.path.insert(0, sys.argv[1])\n"
        "import tutor; assert tutor.__file__.startswith(sys.argv[1]), tutor.__file__\n"
        "from tutor.__main__ import main; sys.exit(main(sys.argv[3:]))"
    )
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "XDG_DATA_HOME": str(home / "data"), "LANG": "C.UTF-8"}
    command = [sys.executable, "-c", code, str(installed), str(ROOT), *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, env=env, cwd=home, timeout=120)


def test_the_wheel_has_everything_and_nothing_else(installed: Path) -> None:
    data = installed / "tutor" / "data"
    cards = {path.relative_to(data / "knowledge") for path in data.rglob("knowledge/*/*.yaml")}
    assert cards == {path.relative_to(ROOT / "knowledge") for path in (ROOT / "knowledge").glob("*/*.yaml")}
    assert (data / "prompts" / "phrases.yaml").exists()
    assert (installed / "tutor" / "web" / "style.css").exists()
    assert not (installed / "tests").exists()


def test_an_installed_tutor_interviews_in_the_terminal(installed: Path) -> None:
    result = run(installed, "chat", "--topic", "attention", "--questions", "1", stdin="hint\nend\n")
    assert result.returncode == 0, result.stderr
    assert "Question 1 of 1" in result.stdout
    assert (installed.parent / "home" / "data" / "interview-tutor" / "chroma").is_dir()


def test_an_operator_can_point_to_other_cards(installed: Path) -> None:
    result = run(installed, "sessions")
    assert result.returncode == 0, result.stderr
