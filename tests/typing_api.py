"""Uses of the public API that type checkers must accept or reject; mypy checks this file, and nothing runs it.

A wrong use has an ignore for its error, and mypy reports unused ignores.
"""

from __future__ import annotations

import langchain_tir
import llama_index_tir
from langchain_tir import ChatTIR, TIREmbeddings
from llama_index_tir import TIR, TIREmbedding
from tir_client import ChatRequest, Config, Timeouts, TIRClient

ChatTIR("gpt_oss_120b", temperature=0.5, max_tokens=None, api_key="a token", project_id="p-123")
ChatTIR(model="gpt_oss_120b", api_key=lambda: "a token", timeout={"chunk": 5}, logit_bias={5: 1.0}, cache=False)
ChatTIR(5)  # type: ignore[arg-type]
ChatTIR(temprature=0.5)  # type: ignore[call-arg]
ChatTIR(temperature="hot")  # type: ignore[arg-type]

TIREmbeddings("e5-mistral-7b-instruct", chunk_size=8)
TIREmbeddings(chunk_size="many")  # type: ignore[arg-type]
TIREmbeddings(chunksize=8)  # type: ignore[call-arg]

TIR("gpt_oss_120b", temperature=0.5, max_tokens=None, api_key="a token", system_prompt="Be brief.")
TIR(model="gpt_oss_120b", stop=["a"], timeout=30)
TIR(temprature=0.5)  # type: ignore[call-arg]
TIR(max_tokens="many")  # type: ignore[arg-type]

TIREmbedding("e5-mistral-7b-instruct", embed_batch_size=8)
TIREmbedding(model_name="e5-mistral-7b-instruct")
TIREmbedding(batch_size=8)  # type: ignore[call-arg]

langchain_tir.TIRRerank("bge-reranker-v2-m3", top_n=4, endpoint_id=45)
langchain_tir.TIRRerank("bge-reranker-v2-m3", top_n="many")  # type: ignore[arg-type]
langchain_tir.TIRRerank("bge-reranker-v2-m3", keep_retrieval_score=True)  # type: ignore[call-arg]
llama_index_tir.TIRRerank("bge-reranker-v2-m3", top_n=4, keep_retrieval_score=True)
llama_index_tir.TIRRerank("bge-reranker-v2-m3", topn=4)  # type: ignore[call-arg]

model: ChatTIR = ChatTIR()
model.temperature = None
model.temperature = "hot"  # type: ignore[assignment]
llm: TIR = TIR()
llm.max_tokens = 5
llm.max_token = 5  # type: ignore[attr-defined]

client = TIRClient(Config.resolve(api_key="a token", project_id=123), timeout=Timeouts(chunk=5))
TIRClient()  # type: ignore[call-arg]
text: str | None = client.chat(ChatRequest(model="gpt_oss_120b", messages=[])).choice.text
ChatRequest(model="gpt_oss_120b", messages=[], temprature=0)  # type: ignore[call-arg]
