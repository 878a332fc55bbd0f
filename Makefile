# Two commands do all the set-up: `make run` and `make test`. Both make the virtual environment in .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test check format coverage compat docs snapshots clean

run: $(VENV)/.run
	@$(BIN)/hal0 up

# Half of what the tests take is waiting for processes, so four at a time suit two cores.
test: $(VENV)/.dev
	@$(BIN)/pytest -n 4 --dist loadfile $(ARGS)

check: $(VENV)/.dev
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/pytest -q tests/test_architecture.py

format: $(VENV)/.dev
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

coverage: $(VENV)/.dev
	@$(BIN)/pytest -n 4 --dist loadfile --cov --cov-report=term --cov-fail-under=90

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "hal0 needs Python 3.11 or newer"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "python3-venv is missing: apt install python3-venv"; exit 1; }

$(VENV)/.run: $(BIN)/python pyproject.toml
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.dev: $(BIN)/python pyproject.toml
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ $(VENV)/.run

# The real clients, each in an environment of its own: openai (npm), langchain-openai, litellm, llm, aider. Needs npm.
compat: $(VENV)/.dev
	@$(BIN)/python -m tests.compat.run $(ARGS)

# Every page and picture that is made from the source; tests fail when one is out of date.
docs: $(VENV)/.dev
	@for page in $(wildcard scripts/*_docs.py scripts/*_schema.py); do $(BIN)/python -m scripts.$$(basename $$page .py) || exit 1; done
	@$(BIN)/python -m hal0.tui.prose > docs/keys.md

snapshots: $(VENV)/.dev
	@HAL0_UPDATE_SNAPSHOTS=1 $(BIN)/pytest -q $$(grep -l assert_picture tests/tui/test_*.py)

clean:
	rm -rf $(VENV) .compat build dist *.egg-info .coverage* .mypy_cache .ruff_cache .hypothesis
