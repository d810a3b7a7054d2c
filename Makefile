# Each target sets up what it needs, in .venv, from nothing but python3, make and a C compiler.
#   make demo    what linnet says about a bundled data set        make test        the tests (make test-full: the slow ones too)
#   make check   style, types, architecture                       make docs        the documentation, in site/
#   make bench   speed, as ratios against peers in one run        make format      put the style right
# Another Python: make PYTHON=python3.13 demo

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --quiet
PYTEST := $(BIN)/python -m pytest

export PYTHONHASHSEED := 0
export NO_MKDOCS_2_WARNING := 1

.DEFAULT_GOAL := help
.PHONY: help demo test test-full check format docs bench clean
.DELETE_ON_ERROR:

help:
	@sed -n '2,6s/^# *//p' Makefile

# The stamps say which of pyproject.toml's lists are installed; a second call finds them and does nothing.
$(VENV)/.stamp-venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "linnet needs Python 3.11 or newer; '$(PYTHON)' is not. Name another: make PYTHON=python3.12 ..." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) \
	  || { echo "'$(PYTHON) -m venv' failed: on Debian and Ubuntu install the package python3-venv." >&2; rm -rf $(VENV); exit 1; }
	@touch $@

$(VENV)/.stamp-run: pyproject.toml | $(VENV)/.stamp-venv
	@echo "Installing linnet in $(VENV) (once; a minute or two) ..."
	@$(PIP) install --editable .
	@touch $@

$(VENV)/.stamp-dev: pyproject.toml | $(VENV)/.stamp-venv
	@echo "Installing linnet and its development tools in $(VENV) (once; a few minutes) ..."
	@$(PIP) install --editable '.[dev]'
	@touch $(VENV)/.stamp-run $@

$(VENV)/.stamp-bench: $(VENV)/.stamp-dev
	@echo "Installing the peers that linnet is measured against ..."
	@$(PIP) install --editable '.[dev,bench]'
	@touch $@

demo: $(VENV)/.stamp-run
	$(BIN)/linnet learn

test: $(VENV)/.stamp-dev
	$(PYTEST) -q -n 2 --dist worksteal -m "not slow"

test-full: $(VENV)/.stamp-dev
	$(PYTEST) -q -n 2 --dist worksteal

check: $(VENV)/.stamp-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --level error
	$(PYTEST) -q tests/test_architecture.py

format: $(VENV)/.stamp-dev
	$(BIN)/python tools/wrap_docstrings.py src tests examples tools
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.stamp-dev
	PYTHONPATH=tools $(BIN)/zensical build --clean --strict

bench: $(VENV)/.stamp-bench
	$(BIN)/python -m benchmarks

clean:
	rm -rf site build dist .pytest_cache .ruff_cache .hypothesis .benchmarks .cache
