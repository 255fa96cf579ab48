"""The command line: interview in the terminal, serve the page, Slack or Discord, see to sessions and cards."""

import argparse
import importlib
import json
import logging
import random
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from tutor.cards import LANGUAGES, LEVELS, load_shelf
from tutor.errors import CardError, SettingsError, TutorError
from tutor.settings import Settings

if TYPE_CHECKING:
    from tutor.tutor import Tutor

PORT = 7860


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with the arguments in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; an error that a person can mend is one line on standard error."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    chosen = _parser().parse_args(arguments)
    try:
        return int(chosen.run(chosen) or 0)
    except TutorError as error:
        print(f"tutor: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0


def _parser() -> _Parser:
    parser = _Parser(prog="tutor", description="A mock interviewer for LLM and AI-engineer interviews.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    chat = commands.add_parser("chat", help="an interview in the terminal")
    chat.add_argument("--language", choices=LANGUAGES, help="language of the interview (default: the system's)")
    chat.add_argument("--preset", metavar="NAME", help="a ready-made interview; an unknown name lists them")
    chat.add_argument("--topic", action="append", default=[], metavar="TOPIC", help="a topic; repeat for several")
    chat.add_argument("--level", choices=LEVELS, help="level of the questions (default: any)")
    chat.add_argument("--questions", type=_positive, metavar="N", help="how many questions (default: 5)")
    chat.add_argument("--mode", choices=("practice", "exam"), default="practice", help="practice helps, exam does not")
    chat.add_argument(
        "--minutes", type=_minutes, metavar="N", help="for a question of an exam (default: 5; 0: no clock)"
    )
    chat.add_argument("--seed", type=int, metavar="N", help="repeat the same choice of questions")
    chat.add_argument("--session", metavar="ID", help="go on with an earlier interview")
    chat.add_argument("--due", action="store_true", help="the questions that are due for review")
    chat.set_defaults(run=_chat)

    serve = commands.add_parser("serve", help="the page in the browser")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    serve.add_argument("--port", type=_port, default=PORT, help=f"port to listen on (default: {PORT})")
    serve.set_defaults(run=_serve)

    slack = commands.add_parser("slack", help="interviews in Slack")
    slack.add_argument("--manifest", action="store_true", help="print the manifest to create the Slack app from")
    slack.add_argument("--http", action="store_true", help="take signed requests instead of opening a socket")
    slack.add_argument("--host", default="127.0.0.1", help="with --http: address to listen on (default: this machine)")
    slack.add_argument("--port", type=_port, default=3000, help="with --http: port to listen on (default: 3000)")
    slack.set_defaults(run=_slack)

    discord = commands.add_parser("discord", help="interviews in Discord")
    discord.add_argument("--invite", action="store_true", help="print the address at which a server invites the tutor")
    discord.set_defaults(run=_discord)

    sessions = commands.add_parser("sessions", help="list earlier interviews")
    sessions.set_defaults(run=_sessions)

    report = commands.add_parser("report", help="the report of an interview")
    report.add_argument("session", nargs="?", metavar="ID", help="which one (default: the latest)")
    formats = report.add_mutually_exclusive_group()
    for kind in ("html", "json", "markdown"):
        formats.add_argument(f"--{kind}", action="store_const", dest="format", const=kind, help=f"as {kind}")
    report.add_argument("--output", type=Path, metavar="FILE", help="write here instead of to the screen")
    report.set_defaults(run=_report)

    progress = commands.add_parser("progress", help="what you know, what is due, when you practised")
    progress.set_defaults(run=_progress)

    export = commands.add_parser("export", help="an interview, cards, or all your data, as a file")
    export.add_argument("session", nargs="?", metavar="ID", help="which one (default: the latest)")
    what = export.add_mutually_exclusive_group()
    what.add_argument("--cards", action="append", metavar="WHICH", help="cards: weak, due, asked, all, or a card's id")
    what.add_argument("--all", action="store_true", help="all your data as a ZIP, for tutor import")
    export.add_argument("--format", choices=("md", "json", "apkg"), default="md", help="md, json, or apkg (Anki cards)")
    export.add_argument("--output", type=Path, metavar="FILE", help="write here instead of to the screen")
    export.set_defaults(run=_export)

    link = commands.add_parser("link", help="be one learner here and in the browser, Slack or Discord")
    link.add_argument("code", nargs="?", default="", metavar="CODE", help="the code from there (default: make one)")
    link.set_defaults(run=_link)

    unlink = commands.add_parser("unlink", help="stand alone again")
    unlink.set_defaults(run=_unlink)

    forget = commands.add_parser("forget", help="delete everything about the learner, after asking")
    forget.add_argument("--yes", action="store_true", help="do not ask")
    forget.set_defaults(run=_forget)
    record = commands.add_parser("record", help="an interview as a recording, to be played again without the model")
    record.add_argument("session", nargs="?", metavar="ID", help="which one (default: the latest)")
    record.add_argument("--output", type=Path, metavar="FILE", help="write here instead of to the screen")
    record.set_defaults(run=_record)

    doctor = commands.add_parser("doctor", help="try the models that are set, and say what to change")
    doctor.set_defaults(run=_doctor)
    import_ = commands.add_parser("import", help="read back a ZIP of tutor export --all")
    import_.add_argument("file", type=Path, metavar="FILE")
    import_.set_defaults(run=_import)

    check = commands.add_parser("check", help="check cards and prompts")
    check.add_argument("card", nargs="*", metavar="CARD", help="ids of cards (default: all cards and prompts)")
    check.set_defaults(run=_check)

    grade = commands.add_parser("grade", help="what an answer earns on a card (for authors)")
    grade.add_argument("card", metavar="CARD", help="id of the card")
    grade.add_argument("answer", nargs="*", help="the answer (default: standard input)")
    grade.set_defaults(run=_grade)

    evaluate = commands.add_parser("eval", help="measure a grader against examiners and attacks")
    evaluate.add_argument("--grader", default="rubric", help="rubric (default), or the name of a model that judges")
    evaluate.add_argument("--graded", type=Path, metavar="FOLDER", help="our own graded answers (tests/graded)")
    evaluate.add_argument("--part", choices=("tune", "final"), help="only this part of them")
    evaluate.add_argument("--public", type=Path, nargs="*", default=[], metavar="FILE", help="sets of scored answers")
    evaluate.add_argument("--attacks", action="store_true", help="attempts to fool the grader, built from every card")
    evaluate.add_argument("--json", type=Path, metavar="FILE", help="write everything here, with every miss")
    evaluate.add_argument("--keep", type=Path, metavar="FOLDER", help="keep grades here, and go on where they end")
    evaluate.set_defaults(run=_eval)
    return parser


def _positive(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 100")
    return int(text)


def _minutes(text: str) -> int:
    if not text.isdigit() or int(text) > 60:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 60")
    return int(text)


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 0 to 65535")
    return int(text)


def _chat(chosen: argparse.Namespace) -> None:
    # Chroma takes as long to import as the agent; together they take half the time to the first question.
    threading.Thread(target=importlib.import_module, args=("chromadb",), daemon=True).start()
    settings = _settings()
    if chosen.language:
        settings = replace(settings, language=chosen.language)
    from tutor.opening import open_tutor

    tutor = open_tutor(settings)
    if chosen.due:
        _review(tutor)
        return
    known = tutor.desk.shelf.counts()
    if unknown := [topic for topic in chosen.topic if topic not in known]:
        raise SettingsError(f"there is no topic {unknown[0]}; topics: {', '.join(known)}")
    presets = tutor.desk.shelf.offered()
    if chosen.preset and chosen.preset not in presets:
        raise SettingsError(f"there is no preset {chosen.preset}; presets: {', '.join(presets) or 'none'}")
    from tutor import planning
    from tutor.terminal import chat, chosen_preset

    free = chosen.session or chosen.preset or chosen.topic or chosen.level or chosen.questions
    preset = chosen.preset or ("" if free else chosen_preset(tutor, settings.language))
    choices = planning.choices(
        tutor.desk.shelf,
        settings.language,
        preset=preset,
        topics=chosen.topic,
        level=chosen.level,
        questions=chosen.questions,
        mode=chosen.mode,
        minutes=planning.MINUTES if chosen.minutes is None else chosen.minutes,
        seed=random.randrange(2**31) if chosen.seed is None else chosen.seed,
    )
    chat(tutor, settings.learner, chosen.session, choices)


def _serve(chosen: argparse.Namespace) -> None:
    from tutor.web import serve

    serve(_settings(), chosen.host, chosen.port)


def _slack(chosen: argparse.Namespace) -> None:
    if chosen.manifest:
        from tutor.slack.manifest import manifest

        sys.stdout.write(manifest())
        return
    try:
        from tutor.slack.running import serve
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in ("slack_bolt", "slack_sdk", "aiohttp"):
            raise
        raise SettingsError(f"{error.name} is missing; install it with: pip install 'interview-tutor[slack]'") from None
    serve(_settings(), (chosen.host, chosen.port) if chosen.http else None)


def _discord(chosen: argparse.Namespace) -> None:
    try:
        from tutor.discord import running
        from tutor.discord.commands import PERMISSIONS, SCOPES, invitation
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in ("discord", "aiohttp"):
            raise
        raise SettingsError(
            f"{error.name} is missing; install it with: pip install 'interview-tutor[discord]'"
        ) from None
    if chosen.invite:
        print(invitation(running.need(_settings())))
        print(f"scopes: {', '.join(SCOPES)}")
        print("\n".join(f"{name.replace('_', ' ')}: {why}" for name, why in PERMISSIONS.items()))
        return
    running.serve(_settings())


def _sessions(chosen: argparse.Namespace) -> None:
    from tutor.opening import open_tutor
    from tutor.sessions import line

    tutor = open_tutor(_settings())
    language = tutor.settings.language
    for entry in tutor.sessions(tutor.settings.learner):
        print(entry.session, line(entry, tutor.desk.shelf.topics, tutor.phrases, language))


def _review(tutor: "Tutor") -> None:
    """An interview of what is due, or the word that nothing is."""
    from tutor.progress import review
    from tutor.terminal import chat

    settings = tutor.settings
    choices = review(tutor.progress(settings.learner), settings.language)
    if choices is None:
        print(tutor.phrases("progress.none_due", settings.language))
    else:
        chat(tutor, settings.learner, None, choices)


def _report(chosen: argparse.Namespace) -> None:
    from tutor.opening import open_tutor

    tutor = open_tutor(_settings())
    learner, session = tutor.settings.learner, _session(tutor, chosen.session)
    if chosen.format is None and chosen.output is None:
        from rich.console import Console

        from tutor.terminal import Terminal

        Terminal(tutor, Console(highlight=False)).report(session, learner)
        return
    from tutor import exporting

    language, made = tutor.interview(learner, session).language, tutor.report(learner, session)
    if chosen.format == "html":
        from tutor.sessions import about
        from tutor.web.report import ReportPage

        topics = tutor.desk.shelf.topics
        sitting = next(sitting for sitting in tutor.sittings(learner) if sitting.session == session)
        page = ReportPage(made, language, tutor.phrases, topics)
        text = page.html(about(sitting, topics, tutor.phrases, language))
    elif chosen.format == "json":
        text = json.dumps(exporting.as_json(made, language), ensure_ascii=False, indent=1) + "\n"
    else:
        text = exporting.report_markdown(tutor, made, language)
    _give(text.encode("utf-8"), chosen.output)


def _progress(chosen: argparse.Namespace) -> None:
    from rich.console import Console

    from tutor.opening import open_tutor
    from tutor.terminal_progress import show

    tutor = open_tutor(_settings())
    made = tutor.progress(tutor.settings.learner)
    show(made, tutor.settings.language, tutor.phrases, tutor.desk.shelf, Console(highlight=False))


def _export(chosen: argparse.Namespace) -> None:
    from tutor.opening import open_tutor

    binary = chosen.all or (chosen.cards and chosen.format == "apkg")
    if chosen.format == "apkg" and not chosen.cards:
        raise SettingsError("apkg is for cards; say which, for example: tutor export --cards weak --format apkg")
    if chosen.format == "json" and chosen.cards:
        raise SettingsError("cards come as md or apkg; choose one of them with --format")
    if binary and chosen.output is None and sys.stdout.isatty():
        raise SettingsError("this is a file, not text; say where to write it with --output")
    _give(_exported(open_tutor(_settings()), chosen), chosen.output)


def _exported(tutor: "Tutor", chosen: argparse.Namespace) -> bytes:
    """What `tutor export` was asked for, as a file's content."""
    from tutor import backup, decks, exporting

    learner, language, topics = tutor.settings.learner, tutor.settings.language, tutor.desk.shelf.topics
    if chosen.all:
        return backup.packed(tutor.store, learner)
    if chosen.cards:
        cards = decks.chosen(tutor.progress(learner), chosen.cards)
        if not cards:
            raise SettingsError("none of the cards is among those; choose others, for example: --cards asked")
        if chosen.format == "apkg":
            return decks.anki(cards, language, tutor.phrases, topics)
        return decks.as_markdown(cards, language, tutor.phrases, topics).encode("utf-8")
    session = _session(tutor, chosen.session)
    if chosen.format == "md":
        return exporting.markdown(tutor, learner, session).encode("utf-8")
    return (json.dumps(exporting.data(tutor, learner, session), ensure_ascii=False, indent=1) + "\n").encode("utf-8")


def _record(chosen: argparse.Namespace) -> None:
    from tutor.opening import open_tutor
    from tutor.recording import recording

    tutor = open_tutor(_settings())
    session = _session(tutor, chosen.session)
    learner, settings = tutor.settings.learner, tutor.settings
    at = next(entry.at for entry in tutor.sessions(learner) if entry.session == session)
    keys = [endpoint.api_key for endpoint in (settings.talking, settings.judging)]
    made = recording(tutor.transcript(learner, session), tutor.engine.name, at, keys)
    _give((json.dumps(made, ensure_ascii=False, indent=1) + "\n").encode("utf-8"), chosen.output)


def _import(chosen: argparse.Namespace) -> None:
    from tutor.backup import unpacked
    from tutor.history import Store
    from tutor.settings import stay_silent

    settings = _settings()
    stay_silent(settings)
    try:
        with chosen.file.open("rb") as file:
            done = unpacked(Store(settings), settings.learner, file)
    except OSError as error:
        raise SettingsError(f"{chosen.file} cannot be read ({error.strerror})") from None
    print(f"interviews in the file: {done.sessions}, records that are new here: {done.records}")


def _give(content: bytes, output: Path | None) -> None:
    """Writes to the file, or to the screen where none was named."""
    if output is None:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        return
    try:
        output.write_bytes(content)
    except OSError as error:
        raise SettingsError(f"{output} cannot be written ({error.strerror})") from None


def _link(chosen: argparse.Namespace) -> None:
    from tutor.accounts import Accounts
    from tutor.opening import open_tutor

    tutor = open_tutor(_settings())
    _print(Accounts(tutor).link(tutor.settings.learner, chosen.code, tutor.settings.language))


def _unlink(chosen: argparse.Namespace) -> None:
    from tutor.accounts import Accounts
    from tutor.opening import open_tutor

    tutor = open_tutor(_settings())
    _print(Accounts(tutor).unlink(tutor.settings.learner, tutor.settings.language))


def _forget(chosen: argparse.Namespace) -> None:
    from tutor.accounts import Accounts
    from tutor.opening import open_tutor

    tutor = open_tutor(_settings())
    accounts, learner, language = Accounts(tutor), tutor.settings.learner, tutor.settings.language
    yes = tutor.phrases("chat.forget_yes", language)
    if not chosen.yes:
        _print(accounts.ask_to_forget(learner, language))
        print(f"{yes}? [y/N] ", end="", flush=True)
        if sys.stdin.readline().strip().lower() not in ("y", "yes", "是"):
            _print(tutor.phrases("chat.kept", language))
            return
    _print(accounts.forget(learner, language))


def _print(text: str) -> None:
    """Prints Markdown of ours."""
    from rich.console import Console
    from rich.markdown import Markdown

    Console(highlight=False).print(Markdown(text))


def _session(tutor: "Tutor", wanted: str | None) -> str:
    """The session that was asked for, or the latest; raises SettingsError where there is none."""
    known = [entry.session for entry in tutor.sessions(tutor.settings.learner)]
    if not known:
        raise SettingsError("there is no interview yet; start one with: tutor chat")
    if wanted and wanted not in known:
        raise SettingsError(f"there is no interview {wanted}; list them with: tutor sessions")
    return wanted or known[0]


def _doctor(_: argparse.Namespace) -> int:
    from tutor.doctor import examined
    from tutor.prompts import load_phrases
    from tutor.resources import resource
    from tutor.settings import stay_silent

    settings = _settings()
    stay_silent(settings)
    phrases, well = load_phrases(resource("prompts")), True
    for good, line in examined(settings, phrases, settings.language):
        print(line, flush=True)
        well = well and good
    if settings.judging.model:
        print("", phrases("doctor.well" if well else "doctor.ill", settings.language), sep="\n")
    return 0 if well else 1


def _check(chosen: argparse.Namespace) -> int:
    from tutor.checking import problems, prompt_problems
    from tutor.resources import resource

    folder = _settings().cards
    damaged: list[CardError] = []
    shelf = load_shelf(folder, damaged)
    wanted = [
        error for error in damaged if not chosen.card or any(f"/{name}.yaml" in str(error) for name in chosen.card)
    ]
    found = [str(error) for error in wanted]
    known = {*shelf.by_id, *(name for name in chosen.card if any(f"/{name}.yaml" in line for line in found))}
    found += [f"there is no card {name} in {folder}" for name in chosen.card if name not in known]
    found += problems(shelf, [name for name in chosen.card if name in shelf.by_id] if chosen.card else ())
    if not chosen.card:
        found += prompt_problems(resource("prompts"))
    print("\n".join(found) if found else f"{len(chosen.card) or len(shelf.cards)} cards, nothing to mend")
    return 1 if found else 0


def _grade(chosen: argparse.Namespace) -> None:
    from tutor.rubric import RubricGrader

    shelf = load_shelf(_settings().cards, [])
    if chosen.card not in shelf.by_id:
        raise CardError(f"there is no card {chosen.card} that can be read")
    grade = RubricGrader(shelf).grade(shelf.by_id[chosen.card], " ".join(chosen.answer) or sys.stdin.read())
    print(grade.score, grade.gate or "")
    for mark in grade.marks:
        print(f"  {mark.verdict:12} {mark.key_point:28} {mark.quote}")
    for found in grade.misconceptions:
        print(f"  misconception {found.misconception}: {found.quote}")


def _eval(chosen: argparse.Namespace) -> int:
    from tutor.eval_command import run

    return run(chosen)


def _settings() -> Settings:
    return Settings.from_env()


if __name__ == "__main__":
    sys.exit(main())
