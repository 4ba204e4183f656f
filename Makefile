# Everything runs in .venv, which is made and kept up to date by the first target that needs it.

# With this variable, pytest would rewrite the assertions of all tests again, in each process of each run.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3
LOWEST_PYTHON ?= python3.11
BIN := .venv/bin
READY := .venv/.ready
LOWEST := .venvs/lowest
NEWEST := .venvs/newest
RAY := .venvs/ray
EXTRAS := .[langchain,llama-index,sandbox,cli,parquet]
# Two for each of two cores: for a third of their time, tests wait.
JOBS ?= 4
PARALLEL := --numprocesses $(JOBS) --dist worksteal

.PHONY: demo docs test test-real test-lowest test-ray test-newest constraints lint format type pytest mutants soak works-with notebooks features reliability bench bench-bulk build clean

demo: $(READY)  ## LangChain and LlamaIndex through TIR, or through a local sandbox
	@$(BIN)/python -m demo

test: $(READY)  ## all that CI checks
	$(MAKE) --jobs $(JOBS) lint type docs
	$(MAKE) pytest

docs: $(READY)  ## the site, in site/; CONTRIBUTING.md has what the silenced warning says
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

pytest: $(READY)
	$(BIN)/python -m pytest $(PARALLEL) --cov --cov-report=term

test-real: $(READY)  ## on real vLLM servers (CPU, a tiny model and a tiny gpt-oss), one after the other
	$(if $(TIR_REAL_BASE_URL),,$(BIN)/python -m tests.real.vllm_server install)
	$(BIN)/python -m pytest -m real

test-lowest: $(LOWEST)/.ready  ## every test with the lowest versions and the lowest Python that pyproject.toml allows
	$(LOWEST)/bin/python -m pytest $(PARALLEL) -p tests.lowest_versions

test-ray: $(RAY)/.ready  ## the job of docs/guides/ray.md on Ray Data: kills a worker and the driver; a few minutes
	$(RAY)/bin/python -m tests.ray_data

test-newest:  ## every test with the newest versions of everything, and with more generated examples
	rm -rf $(NEWEST)
	$(PYTHON) -m venv $(NEWEST)
	$(NEWEST)/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	$(NEWEST)/bin/python -m pip install --quiet --upgrade --editable "$(EXTRAS)" --group dev
	$(NEWEST)/bin/python -m pytest $(PARALLEL) --hypothesis-profile=thorough

constraints: test-newest  ## pins the newest versions, once every test has passed with them
	echo '# Versions that the tests passed with. `make constraints` writes this file.' > tests/constraints.txt
	$(NEWEST)/bin/python -m pip freeze --exclude-editable >> tests/constraints.txt

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

type: $(READY)
	$(BIN)/mypy

mutants: $(READY)  ## plants small mistakes in the pure modules, and lists those that no test notices; half an hour
	$(BIN)/python -m pip install --quiet --constraint tests/constraints.txt --group mutants
	nice $(BIN)/python -m tests.mutants $(ARGS)

soak: $(READY)  ## ten minutes of a hundred concurrent streams with random faults, on loopback
	$(BIN)/python -m tests.faults.soak --seconds 600

works-with: $(READY)  ## the documentation's examples with other packages, each in its own environment
	$(BIN)/python -m tests.docs.works_with $(ARGS)

notebooks: $(READY)  ## runs the notebooks on the sandbox, and stores their outputs; ARGS="bulk agents" for some
	$(BIN)/python -m tests.notebooks $(ARGS)

features: $(READY)  ## measures the features of our models and of other packages, and writes docs/measured/features.md
	$(BIN)/python -m tests.docs.features

reliability: $(READY)  ## runs the fault matrix on other clients, too, and writes docs/measured/reliability.md
	$(BIN)/python -m tests.faults.report

bench: $(READY)  ## what a chunk and a request cost, compared with the peers; ARGS="--quick", "--against REV", "--help"
	$(BIN)/python -m benchmarks $(ARGS)

bench-bulk: $(READY)  ## bulk runs compared with bare calls and LangChain's abatch, also killed ten times; ARGS="--help"
	nice $(BIN)/python -m benchmarks.bulk $(ARGS)

build: $(READY)  ## wheels and sdists in dist/: tir-llm, and the distributions under the frameworks' conventional names
	$(BIN)/python -m build
	for folder in distributions/*/; do $(BIN)/python -m build --outdir dist "$$folder" || exit 1; done

clean:
	rm -rf .venv .venvs mutants dist site .coverage .pytest_cache .mypy_cache .ruff_cache

$(READY): pyproject.toml tests/constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --constraint tests/constraints.txt --editable "$(EXTRAS)" --group dev
	@touch $@

$(LOWEST)/.ready: pyproject.toml tests/lowest_versions.py
	$(LOWEST_PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	$(LOWEST)/bin/python -m tests.lowest_versions > $(LOWEST)/floors.txt
	$(LOWEST)/bin/python -m pip install --quiet --constraint $(LOWEST)/floors.txt \
		--editable "$(EXTRAS)" --group test-lowest --group build
	$(LOWEST)/bin/python -m pip install --quiet --no-deps "langchain-tests>=1.1"
	@touch $@

$(RAY)/.ready: pyproject.toml
	$(PYTHON) -m venv $(RAY)
	$(RAY)/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	$(RAY)/bin/python -m pip install --quiet --editable ".[langchain,sandbox]" --group ray
	@touch $@
