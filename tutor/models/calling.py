"""One request to a provider's model and its reply: passed on as it comes, and usable in the end, or a failure.

Text is passed on at once. Everything else waits until the reply is complete, so that a request can be sent again as
long as nothing of its reply was shown.
"""

import asyncio
import json
import queue
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGenerationChunk
from pydantic import BaseModel, ValidationError

from tutor.models.failures import Kind, ModelFailure
from tutor.models.joining import Joined
from tutor.models.metering import Limits, Meter, Usage
from tutor.models.raised import RAISED, kind_of, retry_after
from tutor.models.thinking import Spoken
from tutor.models.tokens import counter, of_messages

_CUT = " …"
"""The end of a text that was cut at its limit."""
_REPEATED = 40
"""Characters of a text that was cut with which its rest is to begin, so that both can be joined."""
_AFTERWARDS = 2.0
"""Seconds to wait for the counted tokens after a reply is complete."""
_LOOKUPS = 32
"""Host names that may be looked up at once; a server of names that is ill must not make others wait in line."""
_STARTING = threading.Lock()

_Arriving = queue.SimpleQueue[ChatGenerationChunk | BaseException | None]
"""What a request brings, in its order: pieces of a reply, and at last None or what went wrong."""
Ask = Callable[..., AsyncIterator[ChatGenerationChunk]]
"""Sends messages with options, and gives the pieces of the reply."""


class Call:
    """One request and its reply."""

    def __init__(
        self, ask: Ask, model: str, limits: Limits, turn: Meter, form: type[BaseModel] | None = None,
        before: "Call | None" = None,
    ) -> None:  # fmt: skip
        """`form` is the class that the reply must be an object of, if any; `before` was cut and is gone on with."""
        self._ask = ask
        self._model = model
        self._limits = limits
        self._form = form
        self._turn = turn
        self._count = counter(model)
        self._id: str = before._id if before else f"reply-{uuid.uuid4().hex}"
        self._whole: AIMessageChunk | None = None
        self._finish = ""
        self._said: list[str] = [before.said] if before else []
        self._spoken = Joined(before.said) if before else Spoken()
        self._endless = False

    @property
    def said(self) -> str:
        """The text that was passed on so far."""
        return "".join(self._said)

    @property
    def cut(self) -> bool:
        """Whether the reply came to the end of its length while it was speaking, so that it has no end yet."""
        spoke_only = self._whole is not None and not self._whole.tool_call_chunks
        return self._finish == "length" and bool(self._said) and spoke_only and self._form is None

    def reply(
        self, messages: list[BaseMessage], stop: list[str] | None, options: dict[str, Any]
    ) -> Iterator[ChatGenerationChunk]:
        """The pieces of the reply; the last one carries all but its text, and is missing where the reply is cut.

        Raises ModelFailure.
        """
        sending = of_messages(messages, self._count) + self._count(str(options.get("tools", "")))
        if limit := self._turn.refuses(sending):
            raise self._failure(limit)
        began = time.monotonic()
        try:
            length = len(self.said)
            for chunk in self._arriving(messages, stop, options):
                text = self._spoken.after(str(chunk.message.text))
                length += len(text)
                if text:
                    yield self._piece(text)
                if length > self._limits.characters:
                    self._finish, self._endless = "length", True
                    break
            if rest := self._spoken.rest():
                yield self._piece(rest)
            last = None if self.cut else self._last()
        finally:
            self._turn.add(self._usage(sending, time.monotonic() - began))
        if last:
            yield last

    def rest(self, prompt: Callable[[str], str], messages: list[BaseMessage]) -> list[BaseMessage] | None:
        """The request that makes the model go on with a reply that was cut; None for one that has no end at all."""
        if self._endless:
            return None
        return [*messages, AIMessage(self.said), HumanMessage(prompt(self.said[-_REPEATED:]))]

    def end(self) -> Iterator[ChatGenerationChunk]:
        """Ends a reply that was cut, and says so."""
        yield self._piece(_CUT)
        self._turn.failed(self._failure("length"), "")
        yield self._last()

    def _arriving(
        self, messages: list[BaseMessage], stop: list[str] | None, options: dict[str, Any]
    ) -> Iterator[ChatGenerationChunk]:
        """What the endpoint sends, for as long as it sends in time."""
        arriving: _Arriving = queue.SimpleQueue()
        limits, turn = self._limits, self._turn
        task = asyncio.run_coroutine_threadsafe(self._read(arriving, messages, stop, options), client_loop())
        task.add_done_callback(lambda done: arriving.put(None if done.cancelled() else done.exception()))
        patience = limits.first
        try:
            with turn.cancelling(lambda: arriving.put(self._failure("cancelled"))):
                while True:
                    try:
                        got = arriving.get(timeout=max(0.0, min(patience, turn.left)))
                    except queue.Empty:
                        if self._finish:
                            return
                        raise self._failure(self._late()) from None
                    if got is None:
                        return
                    if isinstance(got, ModelFailure):
                        raise got
                    if isinstance(got, BaseException) and not isinstance(got, RAISED):
                        raise got
                    if isinstance(got, BaseException):
                        raise self._failure(kind_of(got, self._begun), retry_after(got)) from got
                    self._keep(got)
                    patience = _AFTERWARDS if self._finish else limits.idle if self._begun else limits.first
                    yield got
        finally:
            task.cancel()

    async def _read(
        self, arriving: _Arriving, messages: list[BaseMessage], stop: list[str] | None, options: dict[str, Any]
    ) -> None:
        async for chunk in self._ask(messages, stop=stop, **options):
            arriving.put(chunk)

    def _keep(self, chunk: ChatGenerationChunk) -> None:
        piece = chunk.message
        if not isinstance(piece, AIMessageChunk):
            raise self._failure("unreadable")
        self._finish = (chunk.generation_info or {}).get("finish_reason") or self._finish
        self._whole = piece if self._whole is None else self._whole + piece

    @property
    def _begun(self) -> bool:
        """Whether any part of what will be the reply has come."""
        return self._whole is not None and bool(self._whole.text or self._whole.tool_call_chunks)

    def _late(self) -> Kind:
        return "time" if self._turn.left <= 0 else "stalled" if self._begun else "silent"

    def _piece(self, text: str) -> ChatGenerationChunk:
        self._said.append(text)
        return ChatGenerationChunk(message=AIMessageChunk(content=text, id=self._id))

    def _last(self) -> ChatGenerationChunk:
        """The end of a reply that can be used; raises ModelFailure for one that cannot."""
        whole = self._whole
        if whole is None:
            raise self._failure("unreadable")
        if self._finish == "content_filter" or whole.additional_kwargs.get("refusal"):
            raise self._failure("refused")
        if not self._finish:
            raise self._failure("broken_off" if self._begun else "unreadable")
        calls = self._calls(whole)
        if not calls and not self._said:
            raise self._failure("empty")
        return ChatGenerationChunk(
            message=AIMessageChunk(
                content="",
                id=self._id,
                tool_call_chunks=calls,
                usage_metadata=whole.usage_metadata,
                additional_kwargs={"parsed": self._parsed(self._form)} if self._form else {},
                response_metadata={"model_name": self._model, "finish_reason": self._finish},
                chunk_position="last",
            )
        )

    def _parsed(self, form: type[BaseModel]) -> BaseModel:
        """The reply in the form that was asked for."""
        try:
            return form.model_validate_json(self.said)
        except ValidationError as error:
            raise self._failure("unreadable") from error

    def _calls(self, whole: AIMessageChunk) -> list[Any]:
        """The tool calls that are whole, with an id each; raises ModelFailure where there are only broken ones."""
        calls: list[dict[str, Any]] = []
        for chunk in whole.tool_call_chunks:
            if chunk["name"] and _is_object(chunk["args"] or "{}"):
                made = chunk["id"] or f"call_{uuid.uuid4().hex}"
                calls.append({**chunk, "args": chunk["args"] or "{}", "id": made, "index": len(calls)})
        if whole.tool_call_chunks and not calls:
            raise self._failure("broken_off" if self._finish == "length" else "tools")
        return calls

    def _usage(self, sending: int, seconds: float) -> Usage:
        """What the call has used, as the endpoint counts or, where it does not, as we do."""
        counted = self._whole.usage_metadata if self._whole else None
        if counted:
            return Usage(1, counted["input_tokens"], counted["output_tokens"], seconds)
        if self._whole is None:
            return Usage(1, seconds=seconds)
        received = str(self._whole.text) + "".join(chunk["args"] or "" for chunk in self._whole.tool_call_chunks)
        return Usage(1, sending, self._count(received), seconds, estimated=True)

    def _failure(self, kind: Kind, after: float = 0.0) -> ModelFailure:
        return ModelFailure(kind, self._model, said=self.said, message_id=self._id, retry_after=after)


def _is_object(text: str) -> bool:
    """Whether the text is a whole JSON object; half ones are never guessed at."""
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def client_loop() -> asyncio.AbstractEventLoop:
    """The loop on which all requests run, in a thread of its own: from there a call can be dropped at any moment."""
    with _STARTING:
        return _started()


@lru_cache(maxsize=1)
def _started() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    loop.set_default_executor(ThreadPoolExecutor(_LOOKUPS, thread_name_prefix="names"))
    threading.Thread(target=loop.run_forever, name="models", daemon=True).start()
    return loop
