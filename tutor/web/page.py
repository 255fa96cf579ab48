"""The page: choose an interview, answer, see grades, open earlier ones; all in the chosen language.

The page keeps no state on the server: the session's id stands in its address, all else is folded from the transcript.
"""

import logging
import random
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, reduce
from html import escape
from typing import Any

import gradio as gr
from fastapi import Request

from tutor import planning
from tutor.cards import LANGUAGES, LEVELS, Language
from tutor.clock import Clock, clock, minutes
from tutor.describing import described
from tutor.errors import HistoryError, TutorError
from tutor.events import BUTTONS, Command, Event
from tutor.html import markdown
from tutor.interview import Interview, after
from tutor.sessions import line
from tutor.shown import asks, shown, visible
from tutor.tutor import NotSent, Tutor, Watcher
from tutor.web.accounts import AccountsPart
from tutor.web.render import Message, Renderer, learner_said, tutor_said
from tutor.web.watching import Pause, watched

_LOG = logging.getLogger(__name__)

LISTED = 200
"""Earlier interviews in the list."""
VISIBLE = 60
"""Messages of the conversation on the page; the export has all."""
QUESTIONS = 20
"""The longest interview that the page offers."""
LATEX: list[dict[str, str | bool]] = [
    {"left": "$$", "right": "$$", "display": True},
    {"left": "$", "right": "$", "display": False},
]

_ADDRESS_JS = """(session, language) => {
  const url = new URL(window.location); url.searchParams.set('language', language);
  if (session) url.searchParams.set('session', session); else url.searchParams.delete('session');
  window.history.replaceState(null, '', url);
  document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en';
  return [session, language];
}"""
_DRAFT_JS = """(session, box) => [session, box || (session && localStorage.getItem('draft:' + session)) || '']"""
HEAD = """<script>
document.addEventListener('input', (event) => {
  if (!event.target.closest || !event.target.closest('#box')) return;
  const session = new URL(window.location).searchParams.get('session');
  if (session) localStorage.setItem('draft:' + session, event.target.value);
});
setInterval(() => document.querySelectorAll('#clock b[data-seconds]').forEach((shown) => {
  shown.from = shown.from || performance.now();
  const gone = shown.dataset.paused ? 0 : (performance.now() - shown.from) / 1000;
  const left = Math.max(0, Math.round(shown.dataset.seconds - gone));
  shown.textContent = Math.floor(left / 60) + ':' + String(left % 60).padStart(2, '0');
  shown.classList.toggle('over', left === 0);
}), 500);
</script>"""
_SENT_JS = (
    """(session, box) => { if (!box && session) localStorage.removeItem('draft:' + session); return [session, box]; }"""
)


@dataclass(frozen=True)
class _Parts:
    """The components whose words or values change."""

    language: gr.Radio
    head: gr.HTML
    new: gr.Accordion
    preset: gr.Dropdown
    topics: gr.Dropdown
    level: gr.Dropdown
    number: gr.Slider
    mode: gr.Radio
    minutes: gr.Slider
    start: gr.Button
    earlier: gr.Accordion
    sessions: gr.Dropdown
    open: gr.Button
    conversation: gr.Chatbot
    notice: gr.Markdown
    box: gr.Textbox
    send: gr.Button
    commands: Mapping[Command, gr.Button]
    hurry: gr.Button
    models: gr.Accordion
    settings: gr.HTML
    clock: gr.HTML
    pause: gr.Button
    session: gr.Textbox
    message_id: gr.Textbox

    @property
    def all(self) -> list[gr.components.Component]:
        return [*self.labelled, self.conversation, self.notice, self.box, self.session, self.message_id]

    @property
    def labelled(self) -> list[Any]:
        return [
            self.language, self.head, self.new, self.preset, self.topics, self.level, self.number, self.mode,
            self.minutes, self.start, self.earlier, self.sessions, self.open, self.send, *self.commands.values(),
            self.hurry, self.models, self.settings,
        ]  # fmt: skip


class Page:
    """Builds the page and answers its events."""

    def __init__(self, tutor: Tutor) -> None:
        self.tutor = tutor
        self._accounts = AccountsPart(tutor, lambda request: learner_of(tutor, request))

    def build(self) -> gr.Blocks:
        """The Gradio page, ready to be mounted."""
        blocks: gr.Blocks
        with gr.Blocks(title=self.tutor.phrases("page.title", self.tutor.settings.language)) as blocks:
            parts = self._layout()
            self._wire(blocks, parts)
        return blocks

    def _layout(self) -> _Parts:
        language = self.tutor.settings.language
        with gr.Row(elem_id="head"):
            head = gr.HTML(elem_id="title")
            choice = gr.Radio(
                [(self.tutor.phrases("name.english", "en"), "en"), (self.tutor.phrases("name.chinese", "zh"), "zh")],
                value=language, elem_id="language", scale=0, min_width=220,
            )  # fmt: skip
        with gr.Row():
            with gr.Column(scale=1, min_width=280):
                with gr.Accordion(elem_id="new") as new:
                    preset = gr.Dropdown(self._presets(language), value="", elem_id="preset")
                    topics = gr.Dropdown(self._topics(language), multiselect=True, elem_id="topics")
                    level = gr.Dropdown(self._levels(language), value="any", elem_id="level")
                    number = gr.Slider(1, QUESTIONS, value=5, step=1, elem_id="number")
                    mode = gr.Radio(self._modes(language), value="practice", elem_id="mode")
                    minutes_ = gr.Slider(0, 30, value=planning.MINUTES, step=1, elem_id="minutes", visible=False)
                    start = gr.Button(variant="primary", elem_id="start")
                with gr.Accordion(elem_id="earlier", open=False) as earlier:
                    sessions = gr.Dropdown(elem_id="sessions", allow_custom_value=True)
                    open_ = gr.Button(elem_id="open")
                self._accounts.build()
                with gr.Accordion(elem_id="models", open=False) as models:
                    settings = gr.HTML(elem_id="settings")
            with gr.Column(scale=3, min_width=320):
                conversation = gr.Chatbot(
                    elem_id="conversation", height="56vh", show_label=False, latex_delimiters=LATEX,
                    feedback_options=None, group_consecutive_messages=False, buttons=[], layout="panel",
                )  # fmt: skip
                notice = gr.Markdown(elem_id="notice")
                with gr.Row(elem_id="time"):
                    clock_ = gr.HTML(elem_id="clock", visible=False)
                    pause = gr.Button(elem_id="pause", size="sm", scale=0, min_width=120, visible=False)
                with gr.Row():
                    box = gr.Textbox(elem_id="box", lines=1, max_lines=12, scale=5, autofocus=True)
                    send = gr.Button(variant="primary", elem_id="send", scale=1, min_width=90)
                with gr.Row(elem_id="commands"):
                    commands = {command: gr.Button(elem_id=command, size="sm") for command in BUTTONS}
                    hurry = gr.Button(elem_id="hurry", size="sm", visible=not self.tutor.engine.offline)
        with gr.Row(elem_id="hidden"):
            session = gr.Textbox(elem_id="session", container=False)
            message_id = gr.Textbox(elem_id="message-id", container=False)
        return _Parts(choice, head, new, preset, topics, level, number, mode, minutes_, start, earlier, sessions, open_,
                      conversation, notice, box, send, commands, hurry, models, settings, clock_, pause, session,
                      message_id)  # fmt: skip

    def _wire(self, blocks: gr.Blocks, parts: _Parts) -> None:
        private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        turn_out = [parts.conversation, parts.notice, parts.box, parts.message_id, parts.session]
        choices = [parts.language, parts.preset, parts.topics, parts.level, parts.number, parts.mode, parts.minutes]
        here = [parts.session, parts.language]
        self._accounts.wire(parts.language)
        timed = [parts.clock, parts.pause]

        loaded = blocks.load(self._load, None, parts.all, **private)
        loaded.then(None, here, here, js=_ADDRESS_JS, **private)
        loaded.then(None, [parts.session, parts.box], [parts.session, parts.box], js=_DRAFT_JS, **private)
        loaded.then(self._go_on, here, turn_out, **private).then(self._time, here, timed, **private)

        switched = parts.language.input(self._switch, here, parts.all, **private)
        switched.then(None, here, here, js=_ADDRESS_JS, **private).then(self._time, here, timed, **private)

        parts.preset.input(self._fill_in, [parts.preset], [parts.topics, parts.level, parts.number], **private)
        parts.mode.input(self._offer_clock, [parts.mode], [parts.minutes], **private)

        started = parts.start.click(
            self._start, choices, [*turn_out, *parts.labelled], concurrency_limit=None, **private
        )
        started.then(None, here, here, js=_ADDRESS_JS, **private).then(self._time, here, timed, **private)

        opened = parts.open.click(self._open, [parts.sessions, parts.language], parts.all, **private)
        opened.then(None, here, here, js=_ADDRESS_JS, **private).then(self._time, here, timed, **private)
        opened.then(None, [parts.session, parts.box], [parts.session, parts.box], js=_DRAFT_JS, **private)

        said = [parts.box, parts.session, parts.message_id, parts.language]
        for trigger in (parts.send.click, parts.box.submit):
            sent = trigger(self._send, said, turn_out, concurrency_limit=None, concurrency_id="turn", **private)
            sent.then(None, [parts.session, parts.box], [parts.session, parts.box], js=_SENT_JS, **private)
            sent.then(self._time, here, timed, **private)
        for command, button in [*parts.commands.items(), (None, parts.pause)]:
            button.click(
                self._command(command), [parts.session, parts.message_id, parts.language], turn_out,
                concurrency_limit=None, concurrency_id="turn", **private,
            ).then(self._time, here, timed, **private)  # fmt: skip

        parts.hurry.click(self._hurry, parts.session, None, queue=False, **private)

    # What the page's events do

    def _load(self, request: gr.Request) -> list[Any]:
        learner = learner_of(self.tutor, request)
        self.tutor.archive.prepare(learner)
        asked = request.query_params
        wanted = str(asked.get("session") or "")
        language = _language(asked.get("language"), request, self.tutor.settings.language)
        return self._whole(learner, wanted, language, follow_session=asked.get("language") is None)

    def _open(self, session: str | None, language: Language, request: gr.Request) -> list[Any]:
        return self._whole(learner_of(self.tutor, request), session or "", language)

    def _switch(self, session: str, language: Language, request: gr.Request) -> list[Any]:
        learner = learner_of(self.tutor, request)
        if session:
            self.tutor.choose_language(learner, session, language)
        return self._whole(learner, session, language, keep_text=True)

    def _whole(
        self, learner: str, session: str, language: Language, *, follow_session: bool = False, keep_text: bool = False
    ) -> list[Any]:
        """Every component of the page, for a session or for none; what stands in the box may be kept."""
        interview, notice = Interview(), ""
        if session:
            try:
                interview = self.tutor.interview(learner, session)
            except TutorError as error:
                _LOG.info("session not opened: %s", error)
        if session and interview.started is None:
            session, notice = "", self.tutor.phrases("page.unknown_session", language)
        if session and follow_session:
            language = interview.language
        labels = self._labels(learner, language, active=bool(session))
        messages = self.conversation(learner, session, language) if session else []
        empty = self.tutor.phrases("page.empty", language)
        label = self.tutor.phrases("page.conversation", language)
        conversation = gr.update(value=messages, placeholder=markdown(empty), label=label)
        return [*labels, conversation, notice, self._box(language, keep_text), session, uuid.uuid4().hex]

    def _start(
        self,
        language: Language,
        preset: str | None,
        topics: list[str],
        level: str,
        number: float,
        mode: str,
        minutes_: float,
        request: gr.Request,
    ) -> Iterator[list[Any]]:
        learner = learner_of(self.tutor, request)
        shelf = self.tutor.desk.shelf
        choices = planning.choices(
            shelf,
            language,
            preset=preset or "",
            topics=tuple(topic for topic in topics or () if topic in shelf.counts()),
            level=next((known for known in LEVELS if known == level), None),
            questions=max(1, min(QUESTIONS, int(number))),
            mode="exam" if mode == "exam" else "practice",
            minutes=max(0.0, min(60.0, float(minutes_))),
            seed=random.randrange(2**31),
        )
        session = self.tutor.start(learner, choices)
        conversation = self.conversation(learner, session, language)
        labels = self._labels(learner, language, active=True)
        yield [conversation, "", gr.update(value=""), uuid.uuid4().hex, session, *labels]

    def _send(
        self, text: str, session: str, message_id: str, language: Language, request: gr.Request
    ) -> Iterator[list[Any]]:
        learner = learner_of(self.tutor, request)

        def run(watcher: Watcher) -> None:
            self.tutor.reply(learner, session, text or "", message_id=message_id, watcher=watcher)

        yield from self._turn(learner, session, language, run, said=text or "")

    def _command(self, command: Command | None) -> Any:
        """What a button does; that of the clock, which has no command, pauses and goes on in turn."""

        def press(session: str, message_id: str, language: Language, request: gr.Request) -> Iterator[list[Any]]:
            learner = learner_of(self.tutor, request)

            def run(watcher: Watcher) -> None:
                paused = command is None and clock(self.tutor.interview(learner, session)).paused
                given = command or ("resume" if paused else "pause")
                self.tutor.give(learner, session, given, message_id=message_id, watcher=watcher)

            yield from self._turn(learner, session, language, run)

        return press

    def _hurry(self, session: str, request: gr.Request) -> None:
        self.tutor.hurry(learner_of(self.tutor, request), session)

    def _go_on(self, session: str, language: Language, request: gr.Request) -> Iterator[list[Any]]:
        """Answers what was sent before the page or the server went away."""
        learner = learner_of(self.tutor, request)
        if not session:
            yield [gr.skip()] * 5
            return

        def run(watcher: Watcher) -> None:
            self.tutor.go_on(learner, session, watcher)

        yield from self._turn(learner, session, language, run, keep_box=True)

    def _turn(
        self,
        learner: str,
        session: str,
        language: Language,
        run: Any,
        *,
        said: str | None = None,
        keep_box: bool = False,
    ) -> Iterator[list[Any]]:
        """Runs one turn and shows it while it grows: conversation, notice, box, next message id, session."""
        box_after = gr.skip() if said is None or keep_box else ""
        growing = _Growing(self, learner, session, language, said)
        try:
            for batch in watched(run):
                yield [growing.after(batch), self._waiting(batch, language), box_after, gr.skip(), gr.skip()]
        except TutorError as error:
            told = markdown(self._told(error, language))
            kept = isinstance(error, NotSent | HistoryError)
            yield [gr.skip() if kept else growing.stored(), told, gr.skip(), uuid.uuid4().hex, gr.skip()]
            return
        except Exception:
            reference = uuid.uuid4().hex[:8]
            _LOG.exception("turn failed (reference %s, session %s)", reference, session)
            notice = self.tutor.phrases("say.failed", language, reference=reference)
            yield [growing.stored(), notice, gr.skip(), uuid.uuid4().hex, gr.skip()]
            return
        yield [growing.stored(), "", box_after, uuid.uuid4().hex, gr.skip()]

    def _waiting(self, batch: list[str | Event | Pause], language: Language) -> str:
        """What is said while the model is asked again."""
        last = batch[-1]
        if not isinstance(last, Pause):
            return ""
        if last.seconds < 1:
            return self.tutor.phrases("model.again", language)
        return self.tutor.phrases("model.pause", language, seconds=f"{last.seconds:.0f}")

    def _fill_in(self, preset: str) -> list[Any]:
        """The choices of a ready-made interview, which can still be changed."""
        ready = self.tutor.desk.shelf.offered().get(preset)
        if ready is None:
            return [gr.update(value=[]), gr.update(value="any"), gr.update(value=planning.QUESTIONS)]
        return [
            gr.update(value=list(ready.topics)),
            gr.update(value=ready.level or "any"),
            gr.update(value=ready.questions),
        ]

    def _offer_clock(self, mode: str) -> Any:
        return gr.update(visible=mode == "exam")

    def _time(self, session: str, language: Language, request: gr.Request) -> list[Any]:
        """The clock of an exam and the button that stops it; nothing in practice."""
        interview = self.tutor.interview(learner_of(self.tutor, request), session) if session else Interview()
        now = clock(interview, self.tutor.now())
        if not interview.exam or interview.finished or not now.limited:
            return [gr.update(value="", visible=False), gr.update(visible=False)]
        label = self.tutor.phrases("page.resume" if now.paused else "page.pause", language)
        return [gr.update(value=self._clock_face(now, language), visible=True), gr.update(value=label, visible=True)]

    # What the page shows

    def _clock_face(self, now: Clock, language: Language) -> str:
        """The time left, which the browser counts down, and the pauses."""
        say, paused = self.tutor.phrases, ' data-paused="1"' if now.paused else ""
        shown = [
            f'{say(f"page.clock_{name}", language)} <b data-seconds="{left:.0f}"{paused}>{minutes(left)}</b>'
            for name, left in (("question", now.question_left), ("total", now.total_left))
            if left is not None
        ]
        if now.paused:
            shown.append(say("page.clock_paused", language))
        if now.pauses:
            shown.append(say("page.clock_pauses", language, number=now.pauses, paused=minutes(now.paused_for)))
        return " · ".join(shown)

    def _told(self, error: TutorError, language: Language) -> str:
        """The error in words for the learner; those of storage are written for whoever runs the tutor."""
        if isinstance(error, HistoryError):
            return self.tutor.phrases("say.history_failed", language, reason=error)
        return str(error)

    def conversation(self, learner: str, session: str, language: Language) -> list[Message]:
        transcript = self.tutor.transcript(learner, session)
        interview = Interview.of(transcript)
        renderer = self.renderer(language)
        messages = [renderer.message(item) for item in shown(transcript)][-VISIBLE:]
        if interview.finished:
            messages.append(renderer.report(self.tutor.report(learner, session), session))
        return messages

    def renderer(self, language: Language) -> Renderer:
        return Renderer(self.tutor.phrases, self.tutor.desk.shelf.topics, language)

    def _box(self, language: Language, keep_text: bool) -> Any:
        label, placeholder = (self.tutor.phrases(f"page.{key}", language) for key in ("box", "placeholder"))
        words = gr.update(label=label, placeholder=placeholder)
        return words if keep_text else {**words, "value": ""}

    def _labels(self, learner: str, language: Language, *, active: bool) -> list[Any]:
        """The words on every component, in the order of `_Parts.labelled`."""
        phrases, names = self.tutor.phrases, self.tutor.desk.shelf.topics

        def say(key: str) -> str:
            return phrases(f"page.{key}", language)

        entries = [
            (line(entry, names, phrases, language), entry.session) for entry in self.tutor.sessions(learner)[:LISTED]
        ]
        return [
            gr.update(label=say("language"), value=language),
            self._head(language),
            gr.update(label=say("new"), open=not active),
            gr.update(label=say("preset"), choices=self._presets(language), value=""),
            gr.update(label=say("topics"), choices=self._topics(language)),
            gr.update(label=say("level"), choices=self._levels(language), value="any"),
            gr.update(label=say("number")),
            gr.update(label=say("mode"), choices=self._modes(language), value="practice"),
            gr.update(label=say("minutes"), visible=False),
            gr.update(value=say("start")),
            gr.update(label=say("sessions")),
            gr.update(label=say("sessions"), choices=entries, value=entries[0][1] if entries else None),
            gr.update(value=say("open"), interactive=bool(entries)),
            gr.update(value=say("send"), interactive=active),
            *(gr.update(value=say(command), interactive=active) for command in BUTTONS),
            gr.update(value=self.tutor.phrases("model.hurry", language), interactive=active),
            gr.update(label=self.tutor.phrases("settings.title", language)),
            self._settings(language),
        ]

    def _presets(self, language: Language) -> list[tuple[str, str | int | float]]:
        free = (self.tutor.phrases("page.preset_free", language), "")
        presets = self.tutor.desk.shelf.offered()
        return [free, *((preset.name[language], slug) for slug, preset in presets.items())]

    def _topics(self, language: Language) -> list[tuple[str, str | int | float]]:
        shelf = self.tutor.desk.shelf
        return [(f"{shelf.topics[slug][language]} ({number})", slug) for slug, number in shelf.counts().items()]

    def _levels(self, language: Language) -> list[tuple[str, str | int | float]]:
        phrases = self.tutor.phrases
        return [(phrases(f"level.{level}", language), level) for level in ("any", *LEVELS)]

    def _modes(self, language: Language) -> list[tuple[str, str | int | float]]:
        return [(self.tutor.phrases(f"mode.{mode}", language), mode) for mode in ("practice", "exam")]

    def _settings(self, language: Language) -> str:
        rows = described(self.tutor.settings, self.tutor.phrases, language)
        return "<dl>" + "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows) + "</dl>"

    def _head(self, language: Language) -> str:
        phrases, engine = self.tutor.phrases, self.tutor.engine
        speaks = (
            phrases("engine.offline", language)
            if engine.offline
            else phrases("engine.model", language, model=engine.name)
        )
        title, intro = phrases("page.title", language), phrases("page.intro", language)
        progress = f'<a id="progress" href="progress?language={language}">{phrases("progress.title", language)}</a>'
        return f'<h1>{title}</h1><p>{intro}</p><span id="engine">{speaks}</span> {progress}'


class _Growing:
    """The conversation while a turn runs: what is stored, what was just said, and what the tutor is saying."""

    def __init__(self, page: Page, learner: str, session: str, language: Language, said: str | None) -> None:
        self._page, self._learner, self._session, self._language = page, learner, session, language
        self._said = said
        self._happened: list[Event] = []
        self._text = ""

    def after(self, batch: list[str | Event | Pause]) -> list[Message]:
        """The conversation once these pieces have come."""
        for piece in batch:
            if isinstance(piece, str):
                self._text += piece
            elif not isinstance(piece, Pause):
                self._happened.append(piece)
        renderer = self._page.renderer(self._language)
        blocks = [block for event in self._happened if (block := visible(event, self._interview))]
        first = [renderer.message(block) for block in blocks if not asks(block.event)]
        words = [tutor_said(markdown(self._text))] if self._text else []
        last = [renderer.message(block) for block in blocks if asks(block.event)]
        return [*self._before, *first, *words, *last]

    @cached_property
    def _before(self) -> list[Message]:
        """What was stored when the turn began to show, with the learner's new words."""
        messages = self.stored()
        said = [learner_said(self._said)] if self._said else []
        return messages if messages[-1:] == said else [*messages, *said]

    @property
    def _interview(self) -> Interview:
        transcript = self._page.tutor.transcript(self._learner, self._session)
        return reduce(after, self._happened, Interview.of(transcript))

    def stored(self) -> list[Message]:
        """The conversation as the transcript has it."""
        return self._page.conversation(self._learner, self._session, self._language)


def learner_of(tutor: Tutor, request: gr.Request | Request) -> str:
    """Who is at the browser: the one learner of this machine, or whoever the browser's cookie says."""
    if not tutor.settings.shared:
        return tutor.settings.learner
    return f"browser-{request.cookies['learner']}"


def _language(asked: str | None, request: gr.Request, default: Language) -> Language:
    """The language of the address, else the browser's, else the setting's."""
    if asked in LANGUAGES:
        return "zh" if asked == "zh" else "en"
    preferred = request.headers.get("accept-language", "")
    return "zh" if preferred.startswith("zh") else "en" if preferred.startswith("en") else default
