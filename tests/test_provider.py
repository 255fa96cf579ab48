"""A provider's model through the real client, against a server on loopback: the happy path and a clear error."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.conftest import LEARNER, choices, tutor_with
from tests.free_port import free_port
from tutor.errors import EngineError
from tutor.history import Store
from tutor.models import make_engine
from tutor.prompts import Phrases
from tutor.settings import Settings
from tutor.tools import Desk
from tutor.tutor import Tutor, Watcher

GOOD = "keys and values of all past tokens"


class Provider(ThreadingHTTPServer):
    """Speaks just enough of the chat completions protocol to stream one scripted sentence."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: Provider

    def do_POST(self) -> None:
        length = int(self.headers["content-length"])
        self.server.requests.append(json.loads(self.rfile.read(length)))
        self.server.keys.append(self.headers["authorization"])
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        deltas = [{"role": "assistant", "content": "A good "}, {"content": "start."}, {}]
        for number, delta in enumerate(deltas):
            reason = "stop" if number == len(deltas) - 1 else None
            choice = {"index": 0, "delta": delta, "finish_reason": reason}
            chunk = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [choice]}
            self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        pass


@pytest.fixture
def provider() -> Iterator[Provider]:
    server = Provider()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def configured(address: str, settings: Settings, desk: Desk, store: Store, phrases: Phrases) -> Tutor:
    chosen = replace(settings, model="some-model", base_url=address, api_key="secret-key")
    return tutor_with(make_engine(chosen, phrases), chosen, desk, store, phrases)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_configured_model_finds_the_words_and_nothing_else(
    provider: Provider, settings: Settings, desk: Desk, store: Store, phrases: Phrases
) -> None:
    tutor = configured(provider.address, settings, desk, store, phrases)
    session = tutor.start(LEARNER, choices(topics=("memory",), questions=1))
    heard: list[str] = []
    tutor.reply(LEARNER, session, GOOD, watcher=Watcher(on_text=heard.append))
    assert "".join(heard) == "A good start."
    assert str(tutor.transcript(LEARNER, session)[-1].text) == "A good start."
    (request,) = provider.requests
    assert request["model"] == "some-model"
    assert {tool["function"]["name"] for tool in request["tools"]} == {
        "ask_question", "grade_answer", "ask_follow_up", "explain", "retrieve_reference_answer",
    }  # fmt: skip
    assert request["messages"][0]["content"].startswith("You are an interviewer and tutor")
    assert provider.keys == ["Bearer secret-key"]
    assert "secret-key" not in repr(tutor.settings)


def test_an_endpoint_that_refuses_is_a_clear_error_and_the_answer_is_kept(
    settings: Settings, desk: Desk, store: Store, phrases: Phrases
) -> None:
    tutor = configured(f"http://127.0.0.1:{free_port()}/v1", settings, desk, store, phrases)
    session = tutor.start(LEARNER, choices(topics=("memory",), questions=1))
    with pytest.raises(EngineError, match="The model some-model could not be reached"):
        tutor.reply(LEARNER, session, GOOD)
    assert str(tutor.transcript(LEARNER, session)[-1].text) == GOOD
