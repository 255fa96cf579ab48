"""The part of the page about accounts: be one learner here and on the chat platforms, or be forgotten."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from tutor.accounts import Accounts
from tutor.cards import Language
from tutor.tutor import Tutor

LearnerOf = Callable[[gr.Request], str]
_BUTTONS = ("join", "make", "part", "forget")


class AccountsPart:
    """An accordion with a code to enter, and buttons; what was done is said below them."""

    def __init__(self, tutor: Tutor, learner_of: LearnerOf) -> None:
        self._tutor = tutor
        self._accounts = Accounts(tutor)
        self._learner_of = learner_of

    def build(self) -> None:
        """Makes the components, at the place on the page that is being built."""
        language = self._tutor.settings.language
        with gr.Accordion(self._say("accounts", language), elem_id="accounts", open=False) as self._box:
            self._intro = gr.Markdown(self._say("accounts_intro", language))
            self._code = gr.Textbox(
                label=self._say("accounts_code", language), elem_id="link-code", max_lines=1, max_length=20
            )
            self._buttons = {
                name: gr.Button(self._say(f"accounts_{name}", language), elem_id=f"link-{name}", size="sm")
                for name in _BUTTONS
            }
            self._note = gr.Markdown(elem_id="link-note")
            with gr.Row(visible=False) as self._asking:
                self._yes = gr.Button(
                    self._say("forget_yes", language), elem_id="forget-yes", variant="stop", size="sm"
                )
                self._no = gr.Button(self._say("forget_no", language), elem_id="forget-no", size="sm")

    def wire(self, language: gr.Radio) -> None:
        """Connects the components; their words follow the page's language."""
        private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        said = [self._note, self._asking]
        words = [self._box, self._intro, self._code, *self._buttons.values(), self._yes, self._no]
        language.change(self._words, language, words, **private)
        self._buttons["join"].click(self._join, [self._code, language], [*said, self._code], **private)
        self._buttons["make"].click(self._make, language, said, **private)
        self._buttons["part"].click(self._part, language, said, **private)
        self._buttons["forget"].click(self._ask, language, said, **private)
        self._yes.click(self._forget, language, said, **private)
        self._no.click(self._keep, language, said, **private)

    def _say(self, key: str, language: Language) -> str:
        return self._tutor.phrases(f"chat.{key}", language)

    def _words(self, language: Language) -> list[Any]:
        """The words on every component, in the order of `wire`."""
        return [
            gr.update(label=self._say("accounts", language)),
            gr.update(value=self._say("accounts_intro", language)),
            gr.update(label=self._say("accounts_code", language)),
            *(gr.update(value=self._say(f"accounts_{name}", language)) for name in _BUTTONS),
            gr.update(value=self._say("forget_yes", language)),
            gr.update(value=self._say("forget_no", language)),
        ]

    def _join(self, code: str, language: Language, request: gr.Request) -> list[Any]:
        if not (code or "").strip():
            return [self._say("code_unknown", language), gr.update(visible=False), ""]
        done = self._accounts.link(self._learner_of(request), code, language)
        return [done, gr.update(visible=False), ""]

    def _make(self, language: Language, request: gr.Request) -> list[Any]:
        return [self._accounts.link(self._learner_of(request), "", language), gr.update(visible=False)]

    def _part(self, language: Language, request: gr.Request) -> list[Any]:
        return [self._accounts.unlink(self._learner_of(request), language), gr.update(visible=False)]

    def _ask(self, language: Language, request: gr.Request) -> list[Any]:
        return [self._accounts.ask_to_forget(self._learner_of(request), language), gr.update(visible=True)]

    def _forget(self, language: Language, request: gr.Request) -> list[Any]:
        return [self._accounts.forget(self._learner_of(request), language), gr.update(visible=False)]

    def _keep(self, language: Language) -> list[Any]:
        return [self._say("kept", language), gr.update(visible=False)]
