"""The messages of a request, as far as the model can take them in."""

import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict  # pydantic asks for it below Python 3.12

from tir_sandbox import errors
from tir_sandbox.generation import is_gpt_oss

Body = Mapping[str, Any]
_ROLES = ("user", "assistant", "system", "developer", "tool")
_SEES = re.compile(r"(?<![a-z])vl(?![a-z])|vision|llava|pixtral|multimodal|omni|gemma_?3|llama_?4")
_MEDIA = frozenset({"image_url", "image_pil", "input_image", "audio_url", "input_audio", "video_url"}) | {
    f"{kind}_embeds" for kind in ("image", "audio", "video")
}
_OTHER_KINDS = frozenset(["prompt_embeds", "refusal", "text", "thinking", "tool_reference"])
_KINDS = _MEDIA | _OTHER_KINDS | {"input_text", "output_text"}
_AS_THEY_ARE = (_MEDIA | _OTHER_KINDS) - {"text", "image_url", "input_audio", "input_image"}


class ChatCompletionContentPartTextParam(TypedDict):
    """Text."""

    text: str
    type: Literal["text"]


class ChatCompletionContentPartImageParam(TypedDict):
    """An image, by its address."""

    image_url: dict[str, Any]
    type: Literal["image_url"]


class ChatCompletionContentPartInputAudioParam(TypedDict):
    """A sound."""

    input_audio: dict[str, Any]
    type: Literal["input_audio"]


class File(TypedDict):
    """A file."""

    file: dict[str, Any]
    type: Literal["file"]


_PARTS: TypeAdapter[Any] = TypeAdapter(
    list[
        ChatCompletionContentPartTextParam
        | ChatCompletionContentPartImageParam
        | ChatCompletionContentPartInputAudioParam
        | File
    ]
)


def check(body: Body) -> None:
    """Refuse messages that cannot be brought before the model: unknown parts, pictures for the blind, odd roles."""
    model = str(body.get("model", ""))
    if not body["messages"] and not is_gpt_oss(model):
        raise errors.bad_request("Cannot apply chat template to an empty conversation. Provide at least one message.")
    for message in body["messages"]:
        if is_gpt_oss(model):
            _role_is_known(message.get("role"))
        content = message.get("content")
        if isinstance(content, list):
            _parts_are_known(content)
            if not is_gpt_oss(model):
                _model_takes(content, model)


def _parts_are_known(parts: list[Any]) -> None:
    unsure = [part for part in parts if not (isinstance(part, Mapping) and part.get("type") in _AS_THEY_ARE)]
    try:
        _PARTS.validate_python(unsure)
    except ValidationError as problem:
        raise errors.bad_request(re.sub(r"(?<= for ).*", "ValidatorIterator", str(problem), count=1)) from problem


def _model_takes(parts: list[Any], model: str) -> None:
    """Refuse what the model does not read; gpt-oss leaves it out and says nothing."""
    kinds = [part["type"] for part in parts]
    if "file" in kinds:
        message = f"Unsupported chat content part type: 'file'. Supported types: {', '.join(sorted(_KINDS))}."
        raise errors.bad_value(message, "type", "file")
    if _MEDIA & set(kinds) and not _SEES.search(model.lower().replace("-", "_")):
        raise errors.bad_request(f"{model} is not a multimodal model")


def _role_is_known(role: Any) -> None:
    if role not in _ROLES:
        known = "Input should be 'user', 'assistant', 'system', 'developer' or 'tool'"
        found = f"[type=enum, input_value={role!r}, input_type={type(role).__name__}]"
        link = "For further information visit https://errors.pydantic.dev/2.14/v/enum"
        raise errors.bad_request(f"1 validation error for Author\nrole\n  {known} {found}\n    {link}")
