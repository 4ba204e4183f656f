"""Makes a tiny chat model with random weights, from installed packages only.

Its words are noise; the tests use it to run the server. vLLM treats it like any Qwen2 chat model:
it renders its chat template, streams its tokens, and masks them where a schema or a tool asks for it.

This file runs inside the vLLM environment: ``python make_tiny_model.py DIRECTORY``.
"""

from __future__ import annotations

import argparse
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTEXT_LENGTH = 4096
VOCABULARY = 4096
CORPUS_FILES = 150
PADDING, TURN_START, TURN_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
# Markers that the parsers look for. They are words of the vocabulary and stay visible when text is decoded,
# as the reasoning and tool call parsers of vLLM need them to.
MARKS = ["<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>"]

CHAT_TEMPLATE = r"""
{%- macro turn(role, text) -%}
{{ '<|im_start|>' ~ role ~ '\n' ~ text ~ '<|im_end|>\n' }}
{%- endmacro -%}

{%- macro plain(content) -%}
{%- if content is string -%}
{{ content }}
{%- elif content -%}
{%- for part in content -%}{{ part.text or '' }}{%- endfor -%}
{%- endif -%}
{%- endmacro -%}

{%- macro call(function) -%}
{%- set arguments = function.arguments if function.arguments is string else function.arguments | tojson -%}
{%- set name = function.name | tojson -%}
{{ '\n<tool_call>\n{"name": ' ~ name ~ ', "arguments": ' ~ arguments ~ '}\n</tool_call>' }}
{%- endmacro -%}

{%- macro answer(message) -%}
{%- set reasoning = message.reasoning or message.reasoning_content -%}
{%- if reasoning -%}{{ '<think>\n' ~ reasoning ~ '\n</think>\n' }}{%- endif -%}
{{ plain(message.content) }}
{%- for item in message.tool_calls or [] -%}{{ call(item.function) }}{%- endfor -%}
{%- endmacro -%}

{%- if tools -%}
{%- set listing %}Functions you may call, one JSON object per line:
{% for tool in tools -%}{{ tool | tojson ~ '\n' }}{%- endfor -%}
Call one by writing <tool_call>{"name": ..., "arguments": {...}}</tool_call>.
{%- endset -%}
{{ turn('system', listing) }}
{%- endif -%}

{%- for message in messages -%}
{%- if message.role == 'assistant' -%}
{{ turn('assistant', answer(message)) }}
{%- elif message.role == 'tool' -%}
{{ turn('user', '<tool_response>\n' ~ plain(message.content) ~ '\n</tool_response>') }}
{%- else -%}
{{ turn(message.role, plain(message.content)) }}
{%- endif -%}
{%- endfor -%}

{%- if add_generation_prompt -%}
{{ '<|im_start|>assistant\n' }}
{%- if thinking or enable_thinking -%}{{ '<think>\n' }}{%- endif -%}
{%- endif -%}
"""


def corpus() -> Iterator[str]:
    """Read some of the Python standard library: text that every machine with Python has."""
    library = Path(sysconfig.get_path("stdlib"))
    for path in sorted(library.glob("*.py"))[:CORPUS_FILES]:
        yield path.read_text(encoding="utf-8", errors="replace")


def train_tokenizer() -> PreTrainedTokenizerFast:
    """Train a byte-level BPE, which can spell any text, JSON and Devanagari included."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(MARKS),
        special_tokens=[PADDING, TURN_START, TURN_END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(corpus(), trainer)
    core.add_tokens(MARKS)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, eos_token=TURN_END, pad_token=PADDING, model_max_length=CONTEXT_LENGTH
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def random_model(tokenizer: PreTrainedTokenizerFast) -> Qwen2ForCausalLM:
    """Draw the weights from a fixed seed, so every machine's noise is of the same kind."""
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=VOCABULARY,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT_LENGTH,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=tokenizer.convert_tokens_to_ids(TURN_END),
        pad_token_id=tokenizer.convert_tokens_to_ids(PADDING),
    )
    return Qwen2ForCausalLM(config).to(torch.bfloat16)


def main() -> None:
    """Write the model and its tokenizer into the directory named on the command line."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("directory", type=Path)
    directory = parser.parse_args().directory
    tokenizer = train_tokenizer()
    tokenizer.save_pretrained(directory)
    random_model(tokenizer).save_pretrained(directory)


if __name__ == "__main__":
    main()
