"""Makes a tiny gpt-oss model that recites the scenarios of ``scenarios.json``, and its tokenizer.

The architecture, the vocabulary and the special tokens are those of gpt-oss, so vLLM serves the model through
its harmony parser. ``trained.safetensors`` holds every weight that training changed: the transformer's layers,
the rows of the embedding that the scenarios read, and the rows of the output layer that they write.

This file runs inside the vLLM environment: ``python make_model.py DIRECTORY``. The variable
``TIKTOKEN_ENCODINGS_BASE`` names the directory of the vocabulary, for this file as for vLLM's harmony parser.
"""

from __future__ import annotations

import argparse
import base64
import os
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import GptOssConfig, GptOssForCausalLM, PreTrainedTokenizerFast
from transformers.convert_slow_tokenizer import bytes_to_unicode

TRAINED = Path(__file__).with_name("trained.safetensors")
CONTEXT_LENGTH = 131_072
VOCABULARY = 201_088
WIDTH = 128
START, PADDING, RETURN, CALL = 199_998, 199_999, 200_002, 200_012
NAMED_TOKENS = {
    START: "<|startoftext|>",
    PADDING: "<|endoftext|>",
    RETURN: "<|return|>",
    200_003: "<|constrain|>",
    200_005: "<|channel|>",
    200_006: "<|start|>",
    200_007: "<|end|>",
    200_008: "<|message|>",
    CALL: "<|call|>",
    200_018: "<|endofprompt|>",
}
LETTERS = r"\p{Ll}\p{Lm}\p{Lo}\p{M}"
CAPITALS = r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}"
CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
WORDS = "|".join(
    (
        rf"[^\r\n\p{{L}}\p{{N}}]?[{CAPITALS}]*[{LETTERS}]+{CONTRACTIONS}",
        rf"[^\r\n\p{{L}}\p{{N}}]?[{CAPITALS}]+[{LETTERS}]*{CONTRACTIONS}",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    )
)
# vLLM builds gpt-oss prompts itself; only `/tokenize` reads this template.
CHAT_TEMPLATE = (
    "{% for m in messages %}<|start|>{{ m.role }}<|message|>{{ m.content }}<|end|>{% endfor %}<|start|>assistant"
)


def read_ranks(path: Path) -> dict[bytes, int]:
    """Read a vocabulary in tiktoken's format: one token in base64 and its rank on each line."""
    lines = (line.split() for line in path.read_bytes().splitlines())
    return {base64.b64decode(token): int(rank) for token, rank in lines}


def splits(token: bytes, ranks: dict[bytes, int]) -> list[tuple[bytes, bytes]]:
    """Return the pairs of shorter tokens that merge into this one, in the order in which BPE tries them."""
    halves = [(token[:i], token[i:]) for i in range(1, len(token))]
    known = [(left, right) for left, right in halves if left in ranks and right in ranks]
    return sorted(known, key=lambda pair: (ranks[pair[0]], ranks[pair[1]]))


def byte_pairs(ranks: dict[bytes, int]) -> models.BPE:
    """Turn tiktoken's ranks into the vocabulary and merges of Hugging Face's BPE."""
    letters = bytes_to_unicode()

    def text(token: bytes) -> str:
        return "".join(letters[byte] for byte in token)

    ordered = sorted(ranks, key=ranks.__getitem__)
    merges = [(text(left), text(right)) for token in ordered for left, right in splits(token, ranks)]
    return models.BPE(vocab={text(token): rank for token, rank in ranks.items()}, merges=merges, ignore_merges=True)


def tokenizer_of(ranks: dict[bytes, int]) -> PreTrainedTokenizerFast:
    """Build the tokenizer of gpt-oss: o200k_base with the special tokens of harmony."""
    core = Tokenizer(byte_pairs(ranks))
    words = pre_tokenizers.Split(Regex(WORDS), behavior="isolated")
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [words, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    core.decoder = decoders.ByteLevel()
    special = [NAMED_TOKENS.get(i, f"<|reserved_{i}|>") for i in range(START, max(NAMED_TOKENS) + 1)]
    core.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in special])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token=NAMED_TOKENS[START],
        eos_token=NAMED_TOKENS[RETURN],
        pad_token=NAMED_TOKENS[PADDING],
        model_max_length=CONTEXT_LENGTH,
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    wrong = {i: name for i, name in NAMED_TOKENS.items() if tokenizer.convert_tokens_to_ids(name) != i}
    if wrong:
        raise ValueError(f"these special tokens did not get their ids: {wrong}")
    return tokenizer


def configuration() -> GptOssConfig:
    return GptOssConfig(
        architectures=["GptOssForCausalLM"],
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        intermediate_size=WIDTH,
        num_hidden_layers=4,
        layer_types=["sliding_attention", "full_attention"] * 2,
        sliding_window=128,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=64,
        num_local_experts=2,
        num_experts_per_tok=2,
        max_position_embeddings=CONTEXT_LENGTH,
        eos_token_id=RETURN,
        pad_token_id=PADDING,
    )


def trained_model(trained: Path) -> GptOssForCausalLM:
    """Fill a model with the trained weights; embeddings that training never saw are drawn from a fixed seed."""
    torch.manual_seed(1)
    weights = load_file(trained)
    embedding = torch.randn(VOCABULARY, WIDTH) * 0.7
    embedding[weights.pop("rows")] = weights.pop("embed_rows")
    output = torch.zeros(VOCABULARY, WIDTH)
    output[weights.pop("spoken")] = weights.pop("head_rows")
    model = GptOssForCausalLM(configuration())
    model.load_state_dict({**weights, "model.embed_tokens.weight": embedding, "lm_head.weight": output})
    model.generation_config.eos_token_id = [RETURN, PADDING, CALL]
    model.generation_config.pad_token_id = PADDING
    return model


def main() -> None:
    """Write the model and its tokenizer into the directory named on the command line."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("directory", type=Path)
    directory = parser.parse_args().directory
    vocabulary = Path(os.environ["TIKTOKEN_ENCODINGS_BASE"]) / "o200k_base.tiktoken"
    tokenizer_of(read_ranks(vocabulary)).save_pretrained(directory)
    trained_model(TRAINED).save_pretrained(directory)


if __name__ == "__main__":
    main()
