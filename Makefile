# One place for every command; `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export SUMO_HOME :=

.PHONY: help setup setup-train demo test check lint types imports fast format clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

setup: $(STAMP) ## create .venv with everything that running and testing need (no torch)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

setup-train: setup ## add torch and ultralytics, for training and for a user's .pt files
	scripts/setup-train $(BIN)/python

demo: setup ## the whole thread on the virtual street; opens the console at http://127.0.0.1:8000
	$(BIN)/xanh demo $(ARGS)

test: setup ## the whole suite, as CI runs it
	$(MAKE) --no-print-directory check

check: setup lint types imports ## exactly what CI runs
	$(BIN)/python -m pytest $(ARGS)

fast: setup ## unit and property tests only
	$(BIN)/python -m pytest tests/unit tests/properties tests/architecture $(ARGS)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

imports: setup
	$(BIN)/lint-imports

format: setup ## format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist *.egg-info
