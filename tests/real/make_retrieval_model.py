"""Makes a tiny embedding model or a tiny reranker, whose weights are set by hand: both compare texts by their words.

Both are BERT models, which vLLM serves as any other. The embedding is the mean of the words' random vectors. The
reranker reads query and document together: in its first layer each word looks for itself in the other text, in the
second one the first token counts the words of the query that found theirs.

This file runs inside the vLLM environment: ``python make_retrieval_model.py DIRECTORY embedding|reranker``.
"""

from __future__ import annotations

import argparse
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertForSequenceClassification, BertModel, PreTrainedTokenizerFast

if TYPE_CHECKING:
    from collections.abc import Iterator

LENGTH = 512
VOCABULARY = 4096
CORPUS_FILES = 150
PADDING, UNKNOWN, START, END = "[PAD]", "[UNK]", "[CLS]", "[SEP]"
SIZE = 128
# The last two numbers of a vector: which text a token is of, and whether its like is in the other text.
TEXT, FOUND = SIZE - 2, SIZE - 1
WORD = slice(0, TEXT)


def corpus() -> Iterator[str]:
    """Read some of the Python standard library: text that every machine with Python has."""
    library = Path(sysconfig.get_path("stdlib"))
    for path in sorted(library.glob("*.py"))[:CORPUS_FILES]:
        yield path.read_text(encoding="utf-8", errors="replace")


def train_tokenizer() -> PreTrainedTokenizerFast:
    """Train a byte-level BPE in lower case, which joins two texts as BERT's tokenizer does."""
    core = Tokenizer(models.BPE(unk_token=UNKNOWN))
    core.normalizer = normalizers.Lowercase()
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.BertPreTokenizer(), pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=False)]
    )
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[PADDING, UNKNOWN, START, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(corpus(), trainer)
    core.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}",
        pair=f"{START} $A {END} $B:1 {END}:1",
        special_tokens=[(token, core.token_to_id(token)) for token in (START, END)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token=PADDING,
        unk_token=UNKNOWN,
        cls_token=START,
        sep_token=END,
        model_max_length=LENGTH,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


def config(**fields: object) -> BertConfig:
    return BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=SIZE,
        num_hidden_layers=2,
        num_attention_heads=1,
        intermediate_size=SIZE,
        max_position_embeddings=LENGTH,
        **fields,
    )


def set_embeddings(bert: BertModel) -> None:
    """Give each word a random vector and each text its sign; positions do not count, and no layer does anything."""
    for name, weight in bert.named_parameters():
        if "LayerNorm" not in name:
            weight.zero_()
    words = torch.randn(VOCABULARY, SIZE, generator=torch.Generator().manual_seed(0))
    words[:, TEXT:] = 0
    bert.embeddings.word_embeddings.weight.copy_(words)


def set_layers(bert: BertModel) -> None:
    """Have each word look for its like in the other text, and the first token count the query's words that found it."""
    bert.embeddings.token_type_embeddings.weight[0, TEXT] = 2
    bert.embeddings.token_type_embeddings.weight[1, TEXT] = -2
    search, count = (layer.attention for layer in bert.encoder.layer)
    search.self.query.weight[WORD, WORD] = 1.6 * torch.eye(TEXT)
    search.self.key.weight[WORD, WORD] = 1.6 * torch.eye(TEXT)
    search.self.query.weight[TEXT, TEXT] = 4.0
    search.self.key.weight[TEXT, TEXT] = -4.0  # the like in the other text counts more than the word itself
    search.self.value.weight[FOUND, TEXT] = -1.0
    count.self.query.weight[TEXT, TEXT] = 6.0
    count.self.key.weight[TEXT, TEXT] = 6.0
    count.self.value.weight[FOUND, FOUND] = 1.0
    for attention in (search, count):
        attention.output.dense.weight[FOUND, FOUND] = 1.0


def embedding() -> BertModel:
    model = BertModel(config(is_matryoshka=True), add_pooling_layer=False)
    with torch.no_grad():
        set_embeddings(model)
    return model


def reranker() -> BertForSequenceClassification:
    model = BertForSequenceClassification(config(num_labels=1))
    with torch.no_grad():
        set_embeddings(model.bert)
        set_layers(model.bert)
        model.bert.pooler.dense.weight[0, FOUND] = 0.3
        model.classifier.weight.zero_()
        model.classifier.weight[0, 0] = 6.0
        model.classifier.bias.zero_()
    return model


MODELS = {"embedding": embedding, "reranker": reranker}


def main() -> None:
    """Write the model and its tokenizer into the directory named on the command line."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("kind", choices=list(MODELS))
    arguments = parser.parse_args()
    train_tokenizer().save_pretrained(arguments.directory)
    MODELS[arguments.kind]().save_pretrained(arguments.directory)


if __name__ == "__main__":
    main()
