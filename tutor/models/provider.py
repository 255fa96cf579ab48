"""A provider's model behind an OpenAI-compatible endpoint: a call ends in time, in a whole reply or in a failure."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models.chat_models import generate_from_stream
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult, LLMResult
from langchain_core.utils.function_calling import convert_to_openai_function
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, PrivateAttr, SecretStr

from tutor.models.breaker import Breaker
from tutor.models.calling import Call, client_loop
from tutor.models.failures import AGAIN, ModelFailure
from tutor.models.metering import Limits, Meter, meter
from tutor.prompts import load_prompt
from tutor.resources import resource
from tutor.settings import Endpoint

_OPTIONAL = ("temperature", "stream_options", "parallel_tool_calls")
"""What a request can do without, where an endpoint does not know it."""
_READY = ("messages", "tools")
"""What is JSON already; the client takes 8 ms to look it through for what it should translate."""
_SOON = 0.25
"""Seconds before a second try, where the endpoint does not ask for more."""


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
        asyncio.run_coroutine_threadsafe(self.root_async_client.close(), client_loop()).result()

    def _get_request_payload(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        payload: dict[str, Any] = super()._get_request_payload(*args, **kwargs)
        payload = {name: value for name, value in payload.items() if name not in self._left_out}
        ready = {name: payload.pop(name) for name in _READY if name in payload}
        return {**payload, "messages": [], "extra_body": {**(payload.get("extra_body") or {}), **ready}}

    def generate(self, *args: Any, **kwargs: Any) -> LLMResult:
        """As the base class, without the schema of the reply written out for traces, which takes 5 ms each time."""
        return super().generate(*args, **{**kwargs, "ls_structured_output_format": None})

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
        turn = meter()
        try:
            yield from self._tries(turn, messages, stop, kwargs)
        except ModelFailure as failure:
            turn.failed(failure, str(self.openai_api_base))
            raise

    def _tries(
        self, turn: Meter, messages: list[BaseMessage], stop: list[str] | None, options: dict[str, Any]
    ) -> Iterator[ChatGenerationChunk]:
        """The reply to a request, sent again where that makes sense."""
        if illness := turn.illness(str(self.openai_api_base)):
            raise ModelFailure(illness.kind, self.model_name, retry_after=illness.retry_after)
        if resting := self._breaker.admit():
            raise ModelFailure("resting", self.model_name, retry_after=resting)
        probing, tried = self._breaker.probing, 0
        form, options = _formed(options)
        while True:
            try:
                call = Call(self._astream, self.model_name, self.limits, turn, form)
                yield from call.reply(messages, stop, options)
                if call.cut:
                    yield from self._rest(call, turn, messages, stop, options)
            except ModelFailure as failure:
                self._breaker.failed(failure.kind, failure.retry_after)
                if failure.kind == "request" and self._leave_out(failure):
                    continue
                again = 0 if probing or failure.said else AGAIN.get(failure.kind, 0)
                pause = failure.retry_after or _SOON * 2**tried
                if tried >= again or pause > min(self.limits.pause, turn.left):
                    failure.retry_after = max(failure.retry_after, self._breaker.rests)
                    raise
                turn.wait(pause)
                tried += 1
            else:
                self._breaker.succeeded()
                return

    def _rest(
        self, call: Call, turn: Meter, messages: list[BaseMessage], stop: list[str] | None, options: dict[str, Any]
    ) -> Iterator[ChatGenerationChunk]:
        """The rest of a reply that was cut off at its length, for which the model is asked once."""
        if request := call.rest(lambda words: load_prompt(resource("prompts"), "go-on", words=words), messages):
            further = Call(self._astream, self.model_name, self.limits, turn, before=call)
            try:
                yield from further.reply(request, stop, options)
            except ModelFailure as failure:
                self._breaker.failed(failure.kind, failure.retry_after)
            else:
                if not further.cut:
                    return
        yield from call.end()

    def _leave_out(self, failure: ModelFailure) -> bool:
        """Whether the endpoint refused a parameter that can be left out; it is, from now on."""
        refused = getattr(failure.__cause__, "param", None) or ""
        text = str(failure.__cause__)
        found = {name for name in _OPTIONAL if name not in self._left_out and (name == refused or f"'{name}'" in text)}
        self._left_out |= found
        return bool(found)


def _formed(options: dict[str, Any]) -> tuple[type[BaseModel] | None, dict[str, Any]]:
    """The form that a reply must have, if it is a class, and the options with its schema in the class's place.

    The client's own reading of such replies writes warnings with the reply in them.
    """
    form = options.get("response_format")
    if not isinstance(form, type) or not issubclass(form, BaseModel):
        return None, options
    function = convert_to_openai_function(form, strict=True)
    schema = {"name": function["name"], "schema": function["parameters"], "strict": True}
    return form, {**options, "response_format": {"type": "json_schema", "json_schema": schema}}
