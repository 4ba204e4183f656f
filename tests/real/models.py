"""The models that the real servers serve: how each is made, and the options of vLLM that go with it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Model:
    """A model that is made on this machine and served by a vLLM of its own.

    Args:
        name: The name on the command line and of its directory.
        served_as: The names under which requests ask for it; answers have the first.
        materials: What it is made from; the first is the script that makes it.
        arguments: Further arguments of the script, after the directory.
        options: The options of vLLM that depend on the model.
        variable: The environment variable that names a server of this model that is running already.
    """

    name: str
    served_as: tuple[str, ...]
    materials: tuple[Path, ...]
    options: tuple[str, ...]
    variable: str
    arguments: tuple[str, ...] = ()

    @property
    def script(self) -> Path:
        return self.materials[0]

    def recipe(self) -> dict[str, str]:
        """Return the hashes of the materials: a change of one means that the model has to be made again."""
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in self.materials}


# As TIR serves its chat models: tools chosen by the model, and schemas enforced.
CHAT = (
    *("--dtype", "bfloat16", "--enable-auto-tool-choice"),
    *("--structured-outputs-config", '{"backend": "xgrammar", "disable_any_whitespace": true}'),
)
RETRIEVAL = (HERE / "make_retrieval_model.py",)

# This reasoning parser acts only where a request asks for thinking in `chat_template_kwargs`, so the plain
# answer of a model that never ends a thought is content.
TINY = Model(
    name="tiny",
    served_as=("tiny", "tiny-too"),
    materials=(HERE / "make_tiny_model.py",),
    options=(*CHAT, "--max-model-len", "4096", "--tool-call-parser", "hermes", "--reasoning-parser", "deepseek_v3"),
    variable="TIR_REAL_BASE_URL",
)
GPT_OSS = Model(
    name="gpt-oss",
    served_as=("gpt_oss_120b",),
    materials=(HERE / "gpt_oss" / "make_model.py", HERE / "gpt_oss" / "trained.safetensors"),
    options=(*CHAT, "--max-model-len", "131072", "--tool-call-parser", "openai", "--reasoning-parser", "openai_gptoss"),
    variable="TIR_REAL_GPT_OSS_BASE_URL",
)
EMBEDDING = Model(
    name="embedding",
    served_as=("e5-tiny",),
    materials=RETRIEVAL,
    arguments=("embedding",),
    options=("--dtype", "float32", "--runner", "pooling", "--pooler-config", '{"pooling_type": "MEAN"}'),
    variable="TIR_REAL_EMBEDDING_BASE_URL",
)
RERANKER = Model(
    name="reranker",
    served_as=("bge-reranker-tiny",),
    materials=RETRIEVAL,
    arguments=("reranker",),
    options=("--dtype", "float32", "--runner", "pooling"),
    variable="TIR_REAL_RERANKER_BASE_URL",
)
MODELS = {model.name: model for model in (TINY, EMBEDDING, RERANKER, GPT_OSS)}
