# Two commands do everything on a fresh machine with Python 3.11+: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

# What the demo leaves behind: its rows, its report, the trained network.
DEMO_DB := automl-demo.db
DEMO_REPORT := automl-report-demo.html
DEMO_MODEL := automl-demo-model

.DEFAULT_GOAL := help
.PHONY: help demo test lint docs gallery format install install-dev clean

help: ## list the tasks
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# torch goes first and alone: its exact version keeps pip from taking a build of several gigabytes.
$(VENV)/installed: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) "$$(grep '^torch==' constraints.txt)"
	$(PIP) -e .
	@rm -f $(VENV)/installed-dev
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(PIP) -e '.[dev]'
	@touch $@

install: $(VENV)/installed ## install into .venv what users need

install-dev: $(VENV)/installed-dev ## install into .venv what developers need

# docs/demo.md says what it shows, how it was chosen, and what other seeds of the same search gave.
demo: $(VENV)/installed ## a real architecture search in a minute or two: a verdict, a report, a trained network on disk
	@rm -rf $(DEMO_DB)* $(DEMO_MODEL)
	$(BIN)/automl search layers-1d --study demo --workers 0 --finalists 1 --test-seeds 5 --sample 8 \
		--storage sqlite:///$(DEMO_DB) --html $(DEMO_REPORT)
	$(BIN)/automl export demo $(DEMO_MODEL) --to pt2 --storage sqlite:///$(DEMO_DB)

# Files go to two processes, the longest first. What ends processes and waits for them can fail on a busy machine: a
# test that fails is tried once more, and is listed as RERUN even where that passes.
test: $(VENV)/installed-dev ## run all tests
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --reruns 1

lint: $(VENV)/installed-dev ## ruff, mypy --strict, the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/installed-dev ## build the documentation; every warning and missing reference is an error
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

gallery: $(VENV)/installed-dev ## make the four reports of the documentation's gallery again
	$(BIN)/python docs/gallery/make.py

format: $(VENV)/installed-dev ## let ruff put the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove what the other tasks made
	rm -rf $(VENV) build dist docs/_build *.egg-info .pytest_cache .mypy_cache .ruff_cache $(DEMO_DB)* $(DEMO_REPORT) $(DEMO_MODEL)
