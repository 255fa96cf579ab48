"""A provider's model behind an OpenAI-compatible endpoint: a call ends in time, in a whole reply or in a failure.

Text is passed on as it comes. Everything else waits until the reply is complete, so that a call can be tried again as
long as nothing of it was shown.
"""

import asyncio
import json
import queue
import threading
import time
import uuid
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import httpx
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models.chat_models import generate_from_stream
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_openai import ChatOpenAI
from pydantic import PrivateAttr, SecretStr

from tutor.models.breaker import Breaker
from tutor.models.failures import AGAIN, RAISED, Kind, ModelFailure, kind_of, retry_after
from tutor.models.metering import Limits, Meter, Usage, meter
from tutor.models.thinking import Spoken
from tutor.models.tokens import counter, of_messages
from tutor.settings import Endpoint

_OPTIONAL = ("temperature", "stream_options", "parallel_tool_calls")
"""What a request can do without, where an endpoint does not know it."""
_SOON = 0.25
"""Seconds before a second try, where the endpoint does not ask for more."""
_AFTERWARDS = 2.0
"""Seconds to wait for the counted tokens after a reply is complete."""


class ProviderModel(ChatOpenAI):
    """A LangChain chat model whose calls end within the limits, and raise nothing but ModelFailure."""

    limits: Limits = Limits()
    _breaker: Breaker = PrivateAttr(default_factory=Breaker)
    _left_out: set[str] = PrivateAttr(default_factory=set)

    @staticmethod
    def at(endpoint: Endpoint, limits: Limits, **more: Any) -> "ProviderModel":
        """The model at an endpoint; `more` are parameters of its requests."""
        return ProviderModel(
            model=endpoint.model,
            base_url=endpoint.address,
            api_key=SecretStr(endpoint.api_key or "none"),
            openai_proxy=None,
            max_retries=0,
            stream_usage=True,
            stream_chunk_timeout=None,
            use_responses_api=False,
            limits=limits,
            http_client=httpx.Client(),
            http_async_client=httpx.AsyncClient(
                timeout=httpx.Timeout(limits.turn, connect=limits.connect),
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=32),
            ),
            **more,
        )

    @property
    def breaker(self) -> Breaker:
        return self._breaker

    def close(self) -> None:
        """Closes all connections."""
        self.root_client.close()
        asyncio.run_coroutine_threadsafe(self.root_async_client.close(), _loop()).result()

    def _get_request_payload(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        payload: dict[str, Any] = super()._get_request_payload(*args, **kwargs)
        return {name: value for name, value in payload.items() if name not in self._left_out}

    def _convert_chunk_to_generation_chunk(
        self, chunk: dict[str, Any], default_chunk_class: type, base_generation_info: dict[str, Any] | None
    ) -> ChatGenerationChunk | None:
        made = super()._convert_chunk_to_generation_chunk(chunk, default_chunk_class, base_generation_info)
        if made and any((choice.get("delta") or {}).get("refusal") for choice in chunk.get("choices") or ()):
            made.message.additional_kwargs["refusal"] = True
        return made

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return generate_from_stream(self._stream(messages, stop, run_manager, **kwargs))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        turn, tried = meter(), 0
        resting = self._breaker.admit()
        if resting:
            raise ModelFailure("resting", self.model_name, retry_after=resting)
        probing = self._breaker.probing
        while True:
            call = _Call(self, turn)
            try:
                yield from call.reply(messages, stop, kwargs)
            except ModelFailure as failure:
                self._breaker.failed(failure.kind, failure.retry_after)
                if failure.kind == "request" and self._leave_out(failure):
                    continue
                again = 0 if probing or failure.said else AGAIN.get(failure.kind, 0)
                pause = failure.retry_after or _SOON * 2**tried
                if tried >= again or pause > min(self.limits.pause, turn.left):
                    raise
                turn.wait(pause)
                tried += 1
            else:
                self._breaker.succeeded()
                return

    def _leave_out(self, failure: ModelFailure) -> bool:
        """Whether the endpoint refused a parameter that can be left out; it is, from now on."""
        refused = getattr(failure.__cause__, "param", None) or ""
        text = str(failure.__cause__)
        found = {name for name in _OPTIONAL if name not in self._left_out and (name == refused or f"'{name}'" in text)}
        self._left_out |= found
        return bool(found)


class _Call:
    """One request and its reply."""

    def __init__(self, model: ProviderModel, turn: Meter) -> None:
        self._model = model
        self._turn = turn
        self._count = counter(model.model_name)
        self._id = f"reply-{uuid.uuid4().hex}"
        self._whole: AIMessageChunk | None = None
        self._finish = ""
        self._said: list[str] = []

    def reply(
        self, messages: list[BaseMessage], stop: list[str] | None, options: dict[str, Any]
    ) -> Iterator[ChatGenerationChunk]:
        """The pieces of the reply; the last one carries all but its text. Raises ModelFailure."""
        sending = of_messages(messages, self._count) + self._count(str(options.get("tools", "")))
        if limit := self._turn.refuses(sending):
            raise self._failure(limit)
        began = time.monotonic()
        try:
            spoken, length = Spoken(), 0
            for chunk in self._arriving(messages, stop, options):
                text = spoken.after(str(chunk.message.text))
                length += len(text)
                if text:
                    yield self._piece(text)
                if length > self._model.limits.characters:
                    self._finish = "length"
                    break
            if rest := spoken.rest():
                yield self._piece(rest)
            last = self._last()
        finally:
            self._turn.add(self._usage(sending, time.monotonic() - began))
        yield last

    def _arriving(
        self, messages: list[BaseMessage], stop: list[str] | None, options: dict[str, Any]
    ) -> Iterator[ChatGenerationChunk]:
        """What the endpoint sends, for as long as it sends in time."""
        arriving: queue.SimpleQueue[ChatGenerationChunk | BaseException | None] = queue.SimpleQueue()
        limits, turn = self._model.limits, self._turn
        task = asyncio.run_coroutine_threadsafe(self._read(arriving, messages, stop, options), _loop())
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
                    if isinstance(got, BaseException):
                        raise self._failure(kind_of(got, self._begun), retry_after(got)) from got
                    self._keep(got)
                    patience = _AFTERWARDS if self._finish else limits.idle if self._begun else limits.first
                    yield got
        finally:
            task.cancel()

    async def _read(
        self,
        arriving: "queue.SimpleQueue[ChatGenerationChunk | BaseException | None]",
        messages: list[BaseMessage],
        stop: list[str] | None,
        options: dict[str, Any],
    ) -> None:
        try:
            async for chunk in self._model._astream(messages, stop=stop, **options):
                arriving.put(chunk)
        except RAISED as error:
            arriving.put(error)
        else:
            arriving.put(None)

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
        if not calls and not self._said and not whole.additional_kwargs.get("parsed"):
            raise self._failure("empty")
        return ChatGenerationChunk(
            message=AIMessageChunk(
                content="",
                id=self._id,
                tool_call_chunks=calls,
                usage_metadata=whole.usage_metadata,
                additional_kwargs={name: value for name, value in whole.additional_kwargs.items() if name == "parsed"},
                response_metadata={"model_name": self._model.model_name, "finish_reason": self._finish},
                chunk_position="last",
            )
        )

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
        said = "".join(self._said)
        return ModelFailure(kind, self._model.model_name, said=said, message_id=self._id, retry_after=after)


def _is_object(text: str) -> bool:
    """Whether the text is a whole JSON object; half ones are never guessed at."""
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


@lru_cache(maxsize=1)
def _loop() -> asyncio.AbstractEventLoop:
    """The loop on which all requests run, in a thread of its own: from there a call can be dropped at any moment."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="models", daemon=True).start()
    return loop
