# Two commands do everything on a fresh machine with Python 3.10 or newer: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
PYTHON := python
endif

.PHONY: demo test test-deploy lint docs figures notebook bench soak release audit clean

demo: $(VENV)/.installed  ## Set up, train for some minutes on procedural heads, show the result
	"$(BIN)/python" -c "import shutil; shutil.rmtree('medgan-demo', ignore_errors=True)"
	"$(BIN)/medgan" demo -o medgan-demo

test: $(VENV)/.installed-dev  ## Set up, run the tests
	"$(BIN)/python" -m pytest -q -n auto

test-deploy: $(VENV)-deploy/.installed  ## Set up the MONAI Deploy App SDK (Linux, 2 GB), run the tests that need it
	$(VENV)-deploy/bin/python -m pytest -q tests/integrations/test_monai_deploy.py \
		tests/pipelines/test_monai_deploy_app.py tests/test_lazy.py

lint: $(VENV)/.installed-dev  ## Style and types
	"$(BIN)/ruff" check .
	"$(BIN)/ruff" format --check .
	"$(BIN)/mypy"

docs: $(VENV)/.installed-docs  ## Build the documentation as pages that need no network: build/docs/html
	"$(BIN)/python" docs/website

figures: demo  ## Make the pictures of the documentation anew (all but memory.png, which `make soak` writes)
	"$(BIN)/python" docs/make_figures.py --demo medgan-demo

notebook: $(VENV)/.installed  ## Run the tutorial from top to bottom, and keep what it shows
	"$(BIN)/python" -m pip install --quiet --editable ".[notebook]"
	"$(BIN)/python" -m jupyter nbconvert --log-level WARN --execute --inplace docs/tutorials/cyclegan.ipynb

bench: $(VENV)/.installed  ## Time, memory and quality beside references and the floor (on an idle machine, forty minutes)
	"$(BIN)/python" -c "import pathlib; pathlib.Path('medgan-bench').mkdir(exist_ok=True)"
	"$(BIN)/python" pipelines/benchmarks/training_step.py --json medgan-bench/training_step.json
	"$(BIN)/python" pipelines/benchmarks/preparing.py --json medgan-bench/preparing.json
	"$(BIN)/python" pipelines/benchmarks/synthesis.py --json medgan-bench/synthesis.json
	"$(BIN)/python" pipelines/benchmarks/quality.py --json medgan-bench/quality.json

soak: $(VENV)/.installed-dev  ## Long trainings; kill -9 two hundred times; memory over 200 volumes and 2,000 steps (forty minutes)
	"$(BIN)/python" -m pytest -q -m long
	"$(BIN)/python" pipelines/benchmarks/crash_soak.py
	"$(BIN)/python" pipelines/benchmarks/memory_soak.py

release: $(VENV)/.installed-dev  ## Build wheel and source distribution, check them, try the wheel in a fresh environment
	"$(BIN)/python" -m pip install --quiet "build>=1.2" "twine>=6"
	"$(BIN)/python" -c "import shutil; shutil.rmtree('dist', ignore_errors=True)"
	"$(BIN)/python" -m build
	"$(BIN)/python" -m twine check --strict dist/*
	"$(BIN)/python" pipelines/release/check_wheel.py dist
	$(PYTHON) -m venv --clear $(VENV)-wheel
	"$(VENV)-wheel/$(notdir $(BIN))/python" -m pip install --quiet dist/*.whl
	"$(BIN)/python" pipelines/release/smoke.py "$(CURDIR)/$(VENV)-wheel/$(notdir $(BIN))/python"

# Needs pypi.org itself, which knows the advisories (https://pypi.org/pypi/NAME/VERSION/json); where only a mirror
# of packages can be reached, it fails and says so. With --vulnerability-service osv it needs api.osv.dev instead.
audit: $(VENV)/.installed-dev  ## Look up known weaknesses of every installed package
	"$(BIN)/python" -m pip freeze --exclude-editable > "$(VENV)/audited.txt"
	"$(BIN)/python" -m pip install --quiet "pip-audit>=2.7"
	"$(BIN)/python" -m pip_audit --strict --disable-pip --no-deps --progress-spinner off -r "$(VENV)/audited.txt"

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	"$(BIN)/python" -m pip install --quiet --editable .
	$(PYTHON) -c "import pathlib; pathlib.Path('$@').touch()"

$(VENV)/.installed-docs: $(VENV)/.installed
	"$(BIN)/python" -m pip install --quiet --editable ".[docs]"
	$(PYTHON) -c "import pathlib; pathlib.Path('$@').touch()"

$(VENV)/.installed-dev: $(VENV)/.installed
	"$(BIN)/python" -m pip install --quiet --editable ".[dev]"
	$(PYTHON) -c "import pathlib; pathlib.Path('$@').touch()"

# An environment of its own, since other tests say what holds without the SDK.
$(VENV)-deploy/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)-deploy
	$(VENV)-deploy/bin/python -m pip install --quiet --editable ".[deploy]" "pytest>=8.2"
	$(PYTHON) -c "import pathlib; pathlib.Path('$@').touch()"

clean:  ## Remove what the other targets made
	$(PYTHON) -c "import shutil; [shutil.rmtree(p, ignore_errors=True) for p in ('$(VENV)', '$(VENV)-wheel', '$(VENV)-deploy', 'build', 'dist', 'medgan-demo', 'medgan-bench')]"
