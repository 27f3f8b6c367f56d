# Every command of the project. `make test` and `make demo` need nothing but make and Python 3.11 or
# newer: they create their own virtual environment in .venv and install what they use into it.

PYTHON ?= python3
VENV   ?= .venv

# The main job and what is passed to it: make demo ARGS="--epochs 2"
DEMO ?= nn.training
ARGS ?=

# Passed on to pytest: make test PYTEST="-x tests/test_import.py"
PYTEST ?= -q -n auto

BIN  := $(VENV)/bin
PIP  := $(BIN)/python -m pip --disable-pip-version-check install --quiet
OURS := autograd nn optim

.DEFAULT_GOAL := help
.PHONY: help install test demo lint format types bench notebooks docs wheel peers fast hooks clean

help:
	@echo "make test        run all tests, with coverage"
	@echo "make demo        run the training demonstration        (ARGS=... is passed on)"
	@echo "make lint        check style                           make format fixes what it can"
	@echo "make types       check types"
	@echo "make bench       measure against other libraries       (ARGS=... is passed on)"
	@echo "make notebooks   execute every notebook into build/notebooks"
	@echo "make docs        write the API reference into build/docs"
	@echo "make wheel       build the wheel into dist"
	@echo "make peers       install PyTorch, so that make test compares numbers with it"
	@echo "make fast        install Numba, so that kernels are compiled"
	@echo "make hooks       install the git hooks"
	@echo "make clean       remove everything that was made, .venv included"

# --- the virtual environment: one stamp per extra, renewed when pyproject.toml changes -------------

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "glassgrad needs Python 3.11 or newer. Name one: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "This Python cannot create virtual environments. On Debian or Ubuntu: apt install python3-venv"; exit 1; }
	@echo "creating $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed-%: pyproject.toml | $(BIN)/python
	@echo "installing glassgrad[$*] into $(VENV)"
	@$(PIP) --editable '.[$*]'
	@touch $@

# Stamps are not intermediate files.
.PRECIOUS: $(VENV)/.installed-%

install: $(VENV)/.installed-test

peers: $(VENV)/.installed-peers

fast: $(VENV)/.installed-fast

hooks: $(VENV)/.installed-dev
	@$(BIN)/pre-commit install

# --- commands ----------------------------------------------------------------------------------------

# Small matrices: a second BLAS thread would only wait for the first, and tests run side by side.
test demo notebooks: export OPENBLAS_NUM_THREADS ?= 1

test: $(VENV)/.installed-test
	@$(BIN)/python -m pytest --cov --cov-report=term $(PYTEST)

demo: $(VENV)/.installed-io
	@$(BIN)/python -m $(DEMO) $(ARGS)

lint: $(VENV)/.installed-dev
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check . || \
	  { echo "these files are not formatted (make format does it):"; $(BIN)/ruff format --check .; exit 1; }

format: $(VENV)/.installed-dev
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format --quiet .

types: $(VENV)/.installed-dev
	@$(BIN)/mypy

# The harness itself needs only the standard library; every contestant gets an environment in .bench.
bench:
	@$(PYTHON) -m benchmarks $(ARGS)

notebooks: $(VENV)/.installed-notebooks
	@mkdir -p build/notebooks
	@$(BIN)/jupyter nbconvert --log-level=WARN --to html --execute --output-dir build/notebooks notebooks/*.ipynb

docs: $(VENV)/.installed-docs
	@$(BIN)/pdoc --docformat numpy --math --output-directory build/docs $(OURS)
	@echo "open build/docs/index.html"

wheel: | $(BIN)/python
	@rm -rf build/lib build/bdist.*
	@$(BIN)/python -m pip --disable-pip-version-check wheel --quiet --no-deps --wheel-dir dist .

clean:
	@rm -rf $(VENV) .bench build dist *.egg-info .coverage .coverage.* htmlcov
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find $(wildcard $(OURS) tests benchmarks) -name __pycache__ -type d -prune -exec rm -rf {} +
