"""Measures which features our models and other packages have.

It writes the table of `docs/measured/features.md` and of the README. `make features` runs each feature with each client
against the sandbox, the peers in environments of their own (`.venvs/works-with`) in their newest versions.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_core.messages import ToolMessage
from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel

from tests.docs.pages import DOCS, ROOT
from tests.docs.works_with import environment
from tir_sandbox import Fault, Reply, Sandbox, ToolCall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PAGES = (ROOT / "README.md", DOCS / "measured" / "features.md")
BEGIN, END = "<!-- features -->", "<!-- /features -->"

FEATURES = {
    "reasoning": "Reasoning of an answer, as the framework's own block",
    "streamed_reasoning": "Reasoning in a stream",
    "returned_reasoning": "Reasoning sent back between two calls of a tool",
    "streamed_usage": "Token usage of a stream, without an option",
    "demanded_call": "A required tool call, where the server ignores `tool_choice`",
    "stopped_reasoning": "An answer that a stop word ended in its reasoning is requested again",
    "truncated_object": "A truncated object raises an error",
    "interrupted_stream": "A stream without a finish reason raises an error",
    "other_model": "A call that names another model goes to that model's URL",
}
"""The features, by the name of the method that measures them."""

SUBJECTS = {
    "ChatTIR": ("LangChain", "langchain_tir", ""),
    "TIR": ("LlamaIndex", "llama_index_tir", ""),
    "ChatOpenAI": ("LangChain", "langchain_openai", "langchain-openai"),
    "ChatDeepSeek": ("LangChain", "langchain_deepseek", "langchain-deepseek"),
    "OpenAILike": ("LlamaIndex", "llama_index.llms.openai_like", "llama-index-llms-openai-like"),
}
"""The clients: the class below that measures them, their module, and the package that has it."""

THOUGHT = "I think about it."
TOOL = "get_weather"
QUESTION = "How is Pune?"


class City(BaseModel):
    """A city."""

    name: str
    population: int


def get_weather(city: str) -> str:
    """The weather in a city."""
    return city


class Measurement:
    """The features of one client. Each method returns whether the client has the feature.

    Args:
        make: Builds the client's model, with further arguments.
        sandbox: The server it calls.
    """

    def __init__(self, make: Callable[..., Any], sandbox: Sandbox) -> None:
        self.make, self.sandbox = make, sandbox

    def reasoning(self) -> bool:
        self.sandbox.script(Reply("Yes.", reasoning=THOUGHT))
        return self._ask(self.make(), QUESTION)[1] == THOUGHT

    def streamed_reasoning(self) -> bool:
        self.sandbox.script(Reply("Yes.", reasoning=THOUGHT))
        return "".join(thought for _, thought, _ in self._stream(self.make())) == THOUGHT

    def returned_reasoning(self) -> bool:
        self.sandbox.script(Reply(tool_calls=[ToolCall(TOOL, {"city": "Pune"})], reasoning=THOUGHT), Reply("Done."))
        self._call_and_return(self.make())
        sent = next(one for one in self.sandbox.requests[-1].messages if one["role"] == "assistant")
        return THOUGHT in {sent.get("reasoning"), sent.get("reasoning_content")}

    def streamed_usage(self) -> bool:
        self.sandbox.script(Reply("Yes."))
        return any(counted for _, _, counted in self._stream(self.make()))

    def demanded_call(self) -> bool:
        self.sandbox.script(Reply("I would rather talk."))
        return self._demand(self.make()) == [TOOL]

    def stopped_reasoning(self) -> bool:
        self.sandbox.script(Reply("", reasoning="I end", finish_reason="stop", stop_reason="END"), Reply("Yes."))
        return bool(self._ask(self.make(), QUESTION, stop=["END"])[0] == "Yes.")

    def truncated_object(self) -> bool:
        self.sandbox.script(Reply('{"name": "Pu', finish_reason="length"))
        return _raises(lambda: self._object(self.make()))

    def interrupted_stream(self) -> bool:
        self.sandbox.script(Fault(after=Reply(["Yes, ", "but "]), no_finish=True, no_done=True))
        return _raises(lambda: list(self._stream(self.make())))

    def other_model(self) -> bool:
        self._ask(self.make(), QUESTION, model="qwen3_32b")
        return "/genai/qwen3_32b/" in self.sandbox.requests[-1].path


class LangChain(Measurement):
    """A chat model of LangChain."""

    def _ask(self, llm: Any, question: str, **call: Any) -> tuple[str, str]:
        answer = llm.invoke(question, **call)
        return answer.text, _thought(answer.content_blocks)

    def _stream(self, llm: Any) -> Iterator[tuple[str, str, bool]]:
        for chunk in llm.stream(QUESTION):
            yield chunk.text, _thought(chunk.content_blocks), bool(chunk.usage_metadata)

    def _call_and_return(self, llm: Any) -> None:
        bound = llm.bind_tools([get_weather])
        answer = bound.invoke(QUESTION)
        bound.invoke([("human", QUESTION), answer, ToolMessage("Fine.", tool_call_id=answer.tool_calls[0]["id"])])

    def _demand(self, llm: Any) -> list[str]:
        answer = llm.bind_tools([get_weather], tool_choice=TOOL).invoke(QUESTION)
        return [call["name"] for call in answer.tool_calls]

    def _object(self, llm: Any) -> None:
        llm.with_structured_output(City, method="json_schema").invoke("Describe Pune.")


class LlamaIndex(Measurement):
    """An LLM of LlamaIndex."""

    def _ask(self, llm: Any, question: str, **call: Any) -> tuple[str, str]:
        response = llm.chat(_messages(question), **call)
        return response.message.content, _thinking(response.message)

    def _stream(self, llm: Any) -> Iterator[tuple[str, str, bool]]:
        before = ""
        for response in llm.stream_chat(_messages(QUESTION)):
            thoughts = _thinking(response.message)
            yield response.delta, thoughts.removeprefix(before), bool(response.additional_kwargs.get("total_tokens"))
            before = thoughts

    def _call_and_return(self, llm: Any) -> None:
        answer = llm.chat_with_tools([_tool()], QUESTION)
        (call,) = llm.get_tool_calls_from_response(answer)
        result = ChatMessage("Fine.", role="tool", additional_kwargs={"tool_call_id": call.tool_id})
        llm.chat([*_messages(QUESTION), answer.message, result])

    def _demand(self, llm: Any) -> list[str]:
        response = llm.chat_with_tools([_tool()], QUESTION, tool_required=True)
        return [call.tool_name for call in llm.get_tool_calls_from_response(response)]

    def _object(self, llm: Any) -> None:
        llm.as_structured_llm(City).complete("Describe Pune.")


def _raises(call: Callable[[], Any]) -> bool:
    try:
        call()
    except Exception:  # noqa: BLE001 - a peer may raise anything
        return True
    return False


def _thought(blocks: list[Any]) -> str:
    return "".join(block["reasoning"] for block in blocks if block["type"] == "reasoning")


def _thinking(message: Any) -> str:
    return "".join(block.content or "" for block in message.blocks if block.block_type == "thinking")


def _messages(question: str) -> list[Any]:
    return [ChatMessage(question, role="user")]


def _tool() -> Any:
    return FunctionTool.from_defaults(get_weather)


def _maker(subject: str, sandbox: Sandbox) -> Callable[..., Any]:
    """Return a function that builds a client's model as its documentation shows."""
    _, module, package = SUBJECTS[subject]
    cls = getattr(import_module(module), subject)
    if not package:
        return lambda: cls("gpt_oss_120b", api_key=sandbox.token, project_id=sandbox.project_id, host=sandbox.host)
    url = f"{sandbox.host}/project/p-{sandbox.project_id}/genai/gpt_oss_120b/v1"
    address = {"base_url": url} if subject == "ChatOpenAI" else {"api_base": url}
    flags = {"is_chat_model": True, "is_function_calling_model": True, "should_use_structured_outputs": True}
    return lambda: cls(
        model="gpt_oss_120b", api_key=sandbox.token, **address, **(flags if subject == "OpenAILike" else {})
    )


def measure(subject: str, feature: str) -> bool:
    """Return whether a client has a feature; an error means no."""
    with Sandbox(strict=False) as sandbox:
        measurement = globals()[SUBJECTS[subject][0]](_maker(subject, sandbox), sandbox)
        try:
            return bool(getattr(measurement, feature)())
        except Exception as error:  # noqa: BLE001 - a peer may raise anything
            sys.stderr.write(f"{subject}, {feature}: {error!r}\n")
            return False


def table(found: dict[str, dict[str, bool]]) -> str:
    """The table: a row for each feature, a column for each client."""
    lines = [f"| | {' | '.join(f'`{subject}`' for subject in found)} |", f"|---|{':---:|' * len(found)}"]
    for feature, label in FEATURES.items():
        cells = ("yes" if values[feature] else "no" for values in found.values())
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(lines)


def table_of(page: Path) -> str:
    """The table that a page has."""
    return page.read_text("utf-8").partition(f"{BEGIN}\n")[2].partition(f"\n{END}")[0].strip()


def main() -> None:
    """Measure all clients, and write the pages."""
    found = {}
    for subject, (_, _, package) in SUBJECTS.items():
        python = environment(package) if package else Path(sys.executable)
        command = [python, "-W", "ignore", "-m", "tests.docs.features", subject]
        found[subject] = json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)
    versions = ", ".join(
        f"{name} {number}" for values in found.values() for name, number in values.pop("versions").items()
    )
    for page in PAGES:
        before, _, rest = page.read_text("utf-8").partition(f"{BEGIN}\n")
        after = rest.partition(f"{END}\n")[2]
        named = f"\nLast measured with {versions}.\n" if page.parent != ROOT else ""
        page.write_text(f"{before}{BEGIN}\n\n{table(found)}\n{named}\n{END}\n{after}", "utf-8")


if __name__ == "__main__":
    if sys.argv[1:]:
        (_, _, package) = SUBJECTS[sys.argv[1]]
        values: dict[str, Any] = {feature: measure(sys.argv[1], feature) for feature in FEATURES}
        sys.stdout.write(json.dumps({**values, "versions": {package: version(package)} if package else {}}))
    else:
        main()
