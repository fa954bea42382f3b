# Two commands do everything on a fresh machine with Python 3.10 or newer: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
PYTHON := python
endif

.PHONY: demo test lint bench clean

demo: $(VENV)/.installed  ## Set up, train for two minutes on procedural heads, show the result
	"$(BIN)/python" -c "import shutil; shutil.rmtree('medgan-demo', ignore_errors=True)"
	"$(BIN)/medgan" demo -o medgan-demo

test: $(VENV)/.installed-dev  ## Set up, run the tests
	"$(BIN)/python" -m pytest -q -n auto

lint: $(VENV)/.installed-dev  ## Style and types
	"$(BIN)/ruff" check .
	"$(BIN)/ruff" format --check .
	"$(BIN)/mypy"

bench: $(VENV)/.installed  ## Time and memory of training steps
	"$(BIN)/python" pipelines/benchmarks/training_step.py

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	"$(BIN)/python" -m pip install --quiet --editable .
	$(PYTHON) -c "import pathlib; pathlib.Path('$@').touch()"

$(VENV)/.installed-dev: $(VENV)/.installed
	"$(BIN)/python" -m pip install --quiet --editable ".[dev]"
	$(PYTHON) -c "import pathlib; pathlib.Path('$@').touch()"

clean:  ## Remove what the other targets made
	$(PYTHON) -c "import shutil; [shutil.rmtree(p, ignore_errors=True) for p in ('$(VENV)', 'medgan-demo')]"
