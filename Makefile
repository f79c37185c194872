# Every target does its own set-up: `make demo` and `make test` work on a bare machine with Python 3.11 or newer.
# What each does is said in CONTRIBUTING.md. Windows without make: the plain commands stand there too.

SHELL := /bin/bash
VENV ?= .venv
BIN := $(VENV)/bin
# The first interpreter that starts (a pyenv shim may exist and not work) and is new enough.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$python; break; }; done)
STAMP := $(VENV)/.installed
SYSTEM := $(VENV)/.system-libraries
PYTEST_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help venv system demo test pytest lint format types imports check bench bench-transforms clean

help: ## Show what there is to make
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 20

venv: $(STAMP) ## Make .venv with the project, its test tools and the pinned libraries

$(STAMP): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: https://www.python.org/downloads/" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@# Older pips know no dependency groups.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --group test --constraint constraints.txt
	@touch $@

system: $(SYSTEM)

$(SYSTEM): .ci/system-libraries | $(STAMP)
	@.ci/system-libraries
	@touch $@

demo: $(STAMP) $(SYSTEM) ## Open napari on a fundus photograph and segment it (without a display: write demo.png)
	$(BIN)/napari-medfreq demo

check: lint types imports ## Everything that reads the code without running it

test: check pytest ## Everything that must pass before a commit

pytest: $(STAMP) $(SYSTEM) ## The tests alone; PYTEST_ARGS="tests/io -k nifti" chooses some
	.ci/with-display $(BIN)/python -m pytest -q $(PYTEST_ARGS)

lint: $(STAMP) ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(STAMP) ## Let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(STAMP) ## mypy, strict
	$(BIN)/mypy

imports: $(STAMP) ## import-linter: the floors and walls of docs/architecture.md
	$(BIN)/lint-imports

bench: $(STAMP) $(SYSTEM) ## The benchmarks; BENCH_ARGS="montecarlo --json" chooses
	.ci/with-display $(BIN)/python -m benchmarks $(BENCH_ARGS)

bench-transforms: $(STAMP) ## The transforms beside those that pip can install; BENCH_ARGS=--json answers in JSON
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group bench --constraint constraints.txt
	$(BIN)/python -m benchmarks transforms $(BENCH_ARGS)

clean: ## Remove .venv and the caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
