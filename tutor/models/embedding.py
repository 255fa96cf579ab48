"""A provider's embedding model behind an OpenAI-compatible address: texts in, vectors of length 1 out, or a failure."""

import math
import time
from collections.abc import Sequence

import openai

from tutor.models.breaker import Breaker
from tutor.models.failures import ModelFailure
from tutor.models.metering import Meter, Usage, meter
from tutor.models.raised import RAISED, kind_of, retry_after
from tutor.models.tokens import counter
from tutor.settings import Endpoint

LONGEST = 5.0
"""Seconds that a request may take, since a learner may be waiting."""


class EmbeddingModel:
    """Safe to use from several threads; its calls count on the turn's meter."""

    def __init__(self, endpoint: Endpoint, longest: float = LONGEST) -> None:
        self.name = endpoint.model
        self.address = endpoint.address
        self._breaker = Breaker()
        self._count = counter(endpoint.model)
        self._client = openai.OpenAI(
            api_key=endpoint.api_key or "none",
            base_url=endpoint.address,
            max_retries=0,
            timeout=longest,
            http_client=openai.DefaultHttpxClient(follow_redirects=False),
        )

    def vectors(self, texts: Sequence[str]) -> list[list[float]]:
        """The vectors of the texts, in their order; raises ModelFailure."""
        turn, sending = meter(), sum(map(self._count, texts))
        if limit := turn.refuses(sending):
            raise ModelFailure(limit, self.name)
        if resting := self._breaker.admit():
            raise ModelFailure("resting", self.name, retry_after=resting)
        try:
            made = self._asked(texts, turn, sending)
        except ModelFailure as failure:
            self._breaker.failed(failure.kind, failure.retry_after)
            raise
        self._breaker.succeeded()
        return made

    def _asked(self, texts: Sequence[str], turn: Meter, sending: int) -> list[list[float]]:
        began, spent = time.monotonic(), sending
        try:
            reply = self._client.embeddings.create(model=self.name, input=list(texts), encoding_format="float")
            made = [each.embedding for each in sorted(reply.data, key=lambda each: each.index)]
            spent = reply.usage.prompt_tokens if reply.usage else sending
            lengths = {len(vector) for vector in made}
            if len(made) != len(texts) or len(lengths) != 1 or lengths == {0}:
                raise ModelFailure("unreadable", self.name)
            return [_of_length_1(vector) for vector in made]
        except RAISED as error:
            raise ModelFailure(kind_of(error, False), self.name, retry_after=retry_after(error)) from error
        finally:
            turn.add(Usage(1, spent, seconds=time.monotonic() - began))

    def close(self) -> None:
        """Closes all connections."""
        self._client.close()


def _of_length_1(vector: Sequence[float]) -> list[float]:
    length = math.sqrt(sum(value * value for value in vector))
    if not math.isfinite(length) or length == 0:
        raise ValueError("a vector without a direction")
    return [value / length for value in vector]
