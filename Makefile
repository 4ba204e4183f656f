# Everything runs in .venv, which is made and kept up to date by the first target that needs it.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test test-real lint format type pytest bench build clean

demo: $(READY)  ## LangChain and LlamaIndex through TIR, or through a local sandbox
	@$(BIN)/python -m demo

test: lint type pytest  ## all that CI checks

pytest: $(READY)
	$(BIN)/python -m pytest --cov --cov-report=term

test-real: $(READY)  ## the parity suite on a real vLLM server (CPU, tiny model), which this installs
	$(BIN)/python -m tests.real.vllm_server install
	$(BIN)/python -m pytest -m real

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

type: $(READY)
	$(BIN)/mypy

bench: $(READY)  ## our cost per chunk and per request beside the peers'
	$(BIN)/python -m benchmarks

build: $(READY)  ## a wheel and an sdist in dist/
	$(BIN)/python -m build

clean:
	rm -rf .venv .venvs dist .coverage .pytest_cache .mypy_cache .ruff_cache

$(READY): pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --editable ".[langchain,llama-index,sandbox]" --group dev
	@touch $@
