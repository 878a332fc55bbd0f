# Two commands do all the set-up: `make run` and `make test`. Both make the virtual environment in .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test check format coverage docs clean

run: $(VENV)/.run
	@$(BIN)/hal0 up

test: $(VENV)/.dev
	@$(BIN)/pytest -n 2 --dist loadfile $(ARGS)

check: $(VENV)/.dev
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/pytest -q tests/test_architecture.py

format: $(VENV)/.dev
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

coverage: $(VENV)/.dev
	@$(BIN)/pytest -n 2 --dist loadfile --cov --cov-report=term --cov-fail-under=90

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "hal0 needs Python 3.11 or newer"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "python3-venv is missing: apt install python3-venv"; exit 1; }

$(VENV)/.run: $(BIN)/python pyproject.toml
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.dev: $(BIN)/python pyproject.toml
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ $(VENV)/.run

docs: $(VENV)/.dev
	@$(BIN)/python -m scripts.config_docs
	@$(BIN)/python -m scripts.error_docs
	@$(BIN)/python -m scripts.lifecycle_docs
	@$(BIN)/python -m hal0.tui.keymap

clean:
	rm -rf $(VENV) build dist *.egg-info .coverage* .mypy_cache .ruff_cache .hypothesis
