"""Writes a tiny llama model with random weights and a vocabulary of bytes, and serves it with llama.cpp's own server.

What it says is gibberish by design; the server is what counts, which nobody here has written. Three channels of the
model carry a constant, so that it opens a tool call, lets the server's grammar fill it in, and then stops.

Run as a program it serves: python -m tests.tiny_model FILE
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

WIDTH, LAYERS, HEADS, KEYS, INNER, CONTEXT = 64, 2, 4, 2, 128, 16384
TEMPLATE = """{%- if tools %}<|im_start|>system
You may call tools. Return <tool_call>{"name": ..., "arguments": ...}</tool_call>.
<tools>{% for t in tools %}{{ t | tojson }}
{% endfor %}</tools><|im_end|>
{% endif %}{%- for m in messages %}<|im_start|>{{ m.role }}
{% if m.content %}{{ m.content }}{% endif %}{% if m.tool_calls %}{% for tc in m.tool_calls %}
<tool_call>
{"name": "{{ tc.function.name }}", "arguments": {{ tc.function.arguments | tojson }}}
</tool_call>{% endfor %}{% endif %}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""


def write(path: Path) -> None:
    """Writes the model, about half a megabyte; the same at every run."""
    import gguf
    import numpy as np

    kinds = gguf.TokenType
    vocabulary = [(b"<unk>", kinds.UNKNOWN), (b"<s>", kinds.CONTROL), (b"</s>", kinds.CONTROL)]
    vocabulary += [(f"<0x{byte:02X}>".encode(), kinds.BYTE) for byte in range(256)]
    vocabulary += [(chr(sign).encode(), kinds.NORMAL) for sign in (*range(33, 127), 0x2581)]
    vocabulary += [(name, kinds.CONTROL) for name in (b"<|im_start|>", b"<|im_end|>")]
    vocabulary += [(name, kinds.USER_DEFINED) for name in (b"<tool_call>", b"</tool_call>")]
    texts = [text for text, _ in vocabulary]
    end, call, called, newline = (
        texts.index(name) for name in (b"<|im_end|>", b"<tool_call>", b"</tool_call>", b"<0x0A>")
    )

    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny-random")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEYS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(texts))
    writer.add_file_type(0)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(texts)
    writer.add_token_scores([0.0] * len(texts))
    writer.add_token_types([kind for _, kind in vocabulary])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(end)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(TEMPLATE)

    chance = np.random.default_rng(0)

    def tensor(name: str, *shape: int, scale: float = 0.05, fixed: Sequence[tuple[Any, float]] = ()) -> None:
        values = (chance.standard_normal(shape) * scale).astype(np.float32)
        for place, value in fixed:
            values[place] = value
        writer.add_tensor(name, values)

    def ones(name: str) -> None:
        writer.add_tensor(name, np.ones(WIDTH, np.float32))

    channels = np.s_[:, :3]
    read = [(channels, 0.0), (np.s_[:, 0], 8.0), ((call, 1), 40.0), ((called, 2), 40.0)]
    said = [(channels, 0.0), ((call, 0), 6.0), ((called, 0), 6.0), ((newline, 1), 24.0), ((end, 2), 24.0)]
    still = [(np.s_[:3, :], 0.0)]
    tensor("token_embd.weight", len(texts), WIDTH, scale=0.4, fixed=read)
    ones("output_norm.weight")
    tensor("output.weight", len(texts), WIDTH, scale=0.4, fixed=said)
    for block in (f"blk.{number}." for number in range(LAYERS)):
        ones(block + "attn_norm.weight")
        ones(block + "ffn_norm.weight")
        tensor(block + "attn_q.weight", WIDTH, WIDTH)
        tensor(block + "attn_k.weight", WIDTH // HEADS * KEYS, WIDTH)
        tensor(block + "attn_v.weight", WIDTH // HEADS * KEYS, WIDTH)
        tensor(block + "attn_output.weight", WIDTH, WIDTH, fixed=still)
        tensor(block + "ffn_gate.weight", INNER, WIDTH)
        tensor(block + "ffn_up.weight", INNER, WIDTH)
        tensor(block + "ffn_down.weight", WIDTH, INNER, fixed=still)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def serve(path: Path) -> None:
    """Serves the model on loopback until the process ends; prints the address."""
    import xllamacpp

    chosen = xllamacpp.CommonParams()
    chosen.model.path = str(path)
    chosen.n_ctx, chosen.n_parallel, chosen.cpuparams.n_threads = CONTEXT, 1, 1
    chosen.hostnames, chosen.port = ["127.0.0.1"], 0
    chosen.use_jinja, chosen.warmup = True, False
    server = xllamacpp.Server(chosen)
    print(server.listening_address, flush=True)
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
