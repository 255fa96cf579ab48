"""A server on loopback that speaks the chat completions protocol over real HTTP, well or in one of many bad ways.

`mode` names how requests are answered: one of the methods below, or a sequence of names, one for each request, the
last of which stays. Every fault that has words carries SECRET in them: it must never reach a learner.
"""

import json
import os
import re
import select
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "provider-internal-7f3a"
WORDS = "A good start."
WELL = (
    "well", "uncounted", "after", "slowly", "costly", "thoughtful", "length", "megabyte", "call", "same_ids",
    "twenty_calls",
)  # fmt: skip
"""Modes in which a request for a judgement gets one: the fault, if any, is in the words."""
LONG = "token " * 200_000
"""More than 1 MB."""


class FaultServer(ThreadingHTTPServer):
    """Keeps what it was sent, and when; `pace` is the time between two pieces of a slow reply (seconds)."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, mode: str | Sequence[str] = "well", pace: float = 1.0) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.mode = mode
        self.pace = pace
        self.requests: list[dict[str, Any]] = []
        self.sizes: list[int] = []
        self.keys: list[str] = []
        self.times: list[float] = []
        self.open = 0
        self._lock = threading.Lock()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def next_mode(self, body: bytes, request: dict[str, Any], key: str) -> str:
        with self._lock:
            number = len(self.requests)
            self.requests.append(request)
            self.sizes.append(len(body))
            self.keys.append(key)
            self.times.append(time.monotonic())
        return self.mode if isinstance(self.mode, str) else self.mode[min(number, len(self.mode) - 1)]

    def count_open(self, by: int) -> None:
        with self._lock:
            self.open += by

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is what many of the tests are about."""


@contextmanager
def faults(mode: str | Sequence[str] = "well", pace: float = 1.0) -> Iterator[FaultServer]:
    """A running server."""
    server = FaultServer(mode, pace)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def elsewhere(mode: str) -> Iterator[tuple[str, Callable[[], int]]]:
    """A server in a process of its own: its address, and what ends it and tells the bytes of the longest request."""
    command = [sys.executable, "-m", "tests.faults", mode]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        address = server.stdout.readline().strip()
        try:
            yield address, lambda: int(server.communicate()[0])
        finally:
            server.kill()


class _Handler(BaseHTTPRequestHandler):
    server: FaultServer
    protocol_version = "HTTP/1.1"
    tokens = 100
    request_sent: dict[str, Any]
    """The request that is being answered."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.request_sent = json.loads(body)
        mode = self.server.next_mode(body, self.request_sent, self.headers["authorization"])
        name, _, argument = mode.partition(":")
        answer: Callable[..., None] = getattr(self, f"answer_{name}")
        self.server.count_open(1)
        try:
            if name in WELL and self._judges():
                self.answer_judgement(float(argument) if name == "after" else 0.0)
            else:
                answer(argument) if argument else answer()
        finally:
            self.server.count_open(-1)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        pass

    def _judges(self) -> bool:
        """Whether the request asks for a judgement on an answer."""
        tools = self.request_sent.get("tools", ())
        return [tool["function"]["name"] for tool in tools] == ["Judgement"]

    # Ways to answer

    def answer_judgement(self, after: float = 0.0) -> None:
        """Finds the first key point in the answer, in the answer's own words, and no other."""
        time.sleep(after)
        rules, answer = (str(message["content"]) for message in self.request_sent["messages"][:2])
        points = re.findall(r"^- ([\w-]+): ", rules.partition("Key points:")[2].partition("Misconceptions:")[0], re.M)
        said = answer.partition("<answer>")[2].partition("</answer>")[0].strip()
        opinions = [{"key_point": point, "verdict": "missed", "quote": ""} for point in points]
        opinions[0] |= {"verdict": "covered", "quote": said}
        self.calls([("Judgement", json.dumps({"opinions": opinions, "misconceptions": []}))])

    def answer_well(self, words: str = WORDS) -> None:
        half = len(words) // 2
        self.stream([{"role": "assistant", "content": words[:half]}, {"content": words[half:]}], "stop")

    def answer_embeddings(self) -> None:
        """Vectors of three dimensions, the same for every text that speaks of the same; no model's, but repeatable."""
        subjects = (("memory", "内存", "cache", "缓存", "goldfish"), ("rank", "lora", "低秩", "adapter"))
        texts = self.request_sent["input"]
        vectors = [[float(any(word in text.lower() for word in some)) for some in subjects] + [0.1] for text in texts]
        data = [{"object": "embedding", "index": n, "embedding": vector} for n, vector in enumerate(vectors)]
        usage = {"prompt_tokens": 2 * len(texts), "total_tokens": 2 * len(texts)}
        body = {"object": "list", "model": "m", "data": data[::-1], "usage": usage}
        self._whole(json.dumps(body).encode(), "application/json")

    def answer_embeddings_fewer(self) -> None:
        self._whole(b'{"object": "list", "model": "m", "data": []}', "application/json")

    def answer_embeddings_zero(self) -> None:
        data = [
            {"object": "embedding", "index": n, "embedding": [0.0]} for n, _ in enumerate(self.request_sent["input"])
        ]
        self._whole(json.dumps({"object": "list", "model": "m", "data": data}).encode(), "application/json")

    def answer_uncounted(self) -> None:
        self.stream([{"content": WORDS}], "stop", counted=False)

    def answer_costly(self) -> None:
        self.tokens = 2400
        self.answer_well()

    def answer_after(self, seconds: str) -> None:
        time.sleep(float(seconds))
        self.answer_well()

    def answer_hang(self) -> None:
        self._until_client_leaves()

    def answer_comments(self) -> None:
        """Keeps the connection busy without ever saying a word."""
        self._begin()
        while self._sent(b": PROCESSING\n\n"):
            time.sleep(0.02)

    def answer_busy(self, retry_after: str) -> None:
        if retry_after.startswith("+"):
            retry_after = formatdate(time.time() + float(retry_after), usegmt=True)
        self._error(429, {"retry-after": retry_after})

    def answer_status(self, status: str) -> None:
        self._error(int(status))

    def answer_unknown_parameter(self) -> None:
        if "temperature" in self.request_sent:
            self._error(400, param="temperature")
        else:
            self.answer_well()

    def answer_too_long(self) -> None:
        self._error(400, code="context_length_exceeded")

    def answer_redirect(self, to: str) -> None:
        self.send_response(307)
        self.send_header("location", to.replace("//", "://", 1))
        self.send_header("content-length", "0")
        self.end_headers()

    def answer_reset(self) -> None:
        self._begin()
        self._piece({"role": "assistant", "content": "A good"})
        time.sleep(0.4)  # a reset takes away what the client has not read yet
        self._reset()

    def answer_early_reset(self) -> None:
        self._begin()
        self._reset()

    def answer_cut(self) -> None:
        self.stream([{"role": "assistant", "content": "A good"}], None)

    def answer_stall(self) -> None:
        self._begin()
        self._piece({"role": "assistant", "content": "A good"})
        self._until_client_leaves()

    def answer_html(self) -> None:
        self._whole(b"<html><body>Login " + SECRET.encode() + b"</body></html>", "text/html")

    def answer_json_list(self) -> None:
        self._whole(b'["' + SECRET.encode() + b'"]', "application/json")

    def answer_binary(self) -> None:
        self._whole(bytes(range(256)) * 4, "application/octet-stream")

    def answer_nothing(self) -> None:
        self._whole(b"", "text/event-stream")

    def answer_choices_empty(self) -> None:
        self._lines([{"id": "c", "object": "chat.completion.chunk", "choices": []}])

    def answer_choices_null(self) -> None:
        self._lines([{"id": "c", "object": "chat.completion.chunk", "choices": None}])

    def answer_choices_odd(self) -> None:
        self._lines([{"id": "c", "choices": [{"delta": SECRET}]}])

    def answer_broken_sse(self) -> None:
        self._begin()
        self._sent(b'data: {"choices": [{"delta": {"content": "' + SECRET.encode() + b"\n\n")
        self._end()

    def answer_error_in_stream(self) -> None:
        self._lines([{"error": {"message": SECRET, "type": "server_error"}}])

    def answer_empty(self) -> None:
        self.stream([{"role": "assistant", "content": ""}], "stop")

    def answer_blank(self) -> None:
        self.stream([{"role": "assistant", "content": " \n\t "}, {"content": "  "}], "stop")

    def answer_reasoning(self) -> None:
        self.stream([{"role": "assistant", "content": None, "reasoning_content": SECRET}], "stop")

    def answer_thoughts(self) -> None:
        self.stream([{"content": "<thi"}, {"content": f"nk>{SECRET}"}, {"content": "</think>\n\n"}], "stop")

    def answer_thoughtful(self) -> None:
        self.stream([{"content": f"<think>{SECRET}</think>"}, {"content": f"\n\n{WORDS}"}], "stop")

    def answer_refusal(self) -> None:
        self.stream([{"role": "assistant", "refusal": f"I cannot: {SECRET}"}], "stop")

    def answer_filtered(self) -> None:
        self.stream([{"role": "assistant", "content": ""}], "content_filter")

    def answer_length(self) -> None:
        self.stream([{"role": "assistant", "content": "A good start with the keys and"}], "length")

    def answer_length_in_call(self) -> None:
        self.calls([("explain", '{"about": "the kv ca')], "length")

    def answer_call(self, name: str) -> None:
        name, _, arguments = name.partition(":")
        self.calls([(name, arguments or "{}")])

    def answer_broken_call(self) -> None:
        self.calls([("explain", '{"about": "' + SECRET)])

    def answer_wrong_types(self) -> None:
        self.calls([("ask_follow_up", '{"step": 7, "learner": "somebody", "session": [1]}')])

    def answer_list_call(self) -> None:
        self.calls([("explain", '["kv cache"]')])

    def answer_unknown_tool(self) -> None:
        self.calls([("delete_everything", '{"learner": "ann"}')])

    def answer_same_ids(self) -> None:
        self.calls([("explain", '{"about": "LoRA"}')] * 2, same_id=True)

    def answer_twenty_calls(self) -> None:
        self.calls([("explain", '{"about": "LoRA"}')] * 20)

    def answer_slowly(self) -> None:
        self._begin()
        while self._piece({"content": "word "}):
            time.sleep(self.server.pace)

    def answer_megabyte(self) -> None:
        self.stream([{"content": LONG[start : start + 1000]} for start in range(0, len(LONG), 1000)], "stop")

    # How answers are sent

    def calls(self, calls: Sequence[tuple[str, str]], finish: str = "tool_calls", *, same_id: bool = False) -> None:
        """A reply with tool calls whose arguments come in two pieces, as they do from providers."""
        pieces: list[dict[str, Any]] = []
        for index, (name, arguments) in enumerate(calls):
            made = "call_same" if same_id else f"call_{len(self.server.requests)}_{index}"
            half = len(arguments) // 2
            head = {"index": index, "id": made, "type": "function", "function": {"name": name, "arguments": ""}}
            tails = [{"index": index, "function": {"arguments": part}} for part in (arguments[:half], arguments[half:])]
            pieces += [{"tool_calls": [part]} for part in (head, *tails)]
        self.stream(pieces, finish)

    def stream(self, deltas: Sequence[dict[str, Any]], finish: str | None, *, counted: bool = True) -> None:
        self._begin()
        for delta in deltas:
            if not self._piece(delta):
                return
        if finish:
            self._piece({}, finish)
        if counted and finish and "stream_options" in self.request_sent:
            usage = {"prompt_tokens": self.tokens, "completion_tokens": 10, "total_tokens": self.tokens + 10}
            self._event({"id": "c", "object": "chat.completion.chunk", "choices": [], "usage": usage})
        self._sent(b"data: [DONE]\n\n")
        self._end()

    def _piece(self, delta: dict[str, Any], finish: str | None = None) -> bool:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return self._event(
            {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [choice]}
        )

    def _event(self, data: object) -> bool:
        return self._sent(f"data: {json.dumps(data)}\n\n".encode())

    def _lines(self, data: Sequence[object]) -> None:
        self._begin()
        for piece in data:
            self._event(piece)
        self._sent(b"data: [DONE]\n\n")
        self._end()

    def _begin(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()

    def _sent(self, data: bytes) -> bool:
        """Whether the client was still there to be sent this."""
        try:
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            self.wfile.flush()
        except OSError:
            return False
        return True

    def _end(self) -> None:
        self._write(b"0\r\n\r\n")

    def _write(self, data: bytes) -> None:
        try:
            self.wfile.write(data)
        except OSError:
            self.close_connection = True

    def _whole(self, body: bytes, content_type: str) -> None:
        self.send_response(200)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self._write(body)

    def _error(self, status: int, headers: dict[str, str] | None = None, **details: str) -> None:
        body = json.dumps({"error": {"message": f"{SECRET} {details}", "type": "error", **details}}).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self._write(body)

    def _reset(self) -> None:
        """Ends the connection as a crash does."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())
        self.close_connection = True

    def _until_client_leaves(self) -> None:
        """Says nothing until the client hangs up, or the test is over."""
        for _ in range(600):
            ready, _, _ = select.select([self.connection], [], [], 0.1)
            if ready and not self.connection.recv(1, socket.MSG_PEEK):
                break
        self.close_connection = True


if __name__ == "__main__":
    with faults(sys.argv[1]) as running:
        print(running.address, flush=True)
        sys.stdin.read()
        print(max(running.sizes, default=0))
