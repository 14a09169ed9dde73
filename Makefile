# make run: the switch with callers and agents of its own, in a minute. make test: everything that CI runs.
# Both make a virtual environment and install what they need; nothing else has to be typed.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO ?=
TESTS ?= tests
JOBS ?= 2

.DEFAULT_GOAL := help
.PHONY: help run test lint peers bench bench-media bench-media-long bench-acd clean

help:
	@echo "make run          start the demo: switch, callers, agents, live view  (DEMO='--calls 20' ends by itself)"
	@echo "make test         lint, types, floors, all tests                      (TESTS=tests/sip for a part, JOBS=0 in one process)"
	@echo "make bench        CPU per call, registration and queued call          (needs SIPp)"
	@echo "make bench-media  CPU per media packet, loss, delay; bench-media-long: ten minutes of 500 recorded calls"
	@echo "make bench-acd    cost of a match"
	@echo "make clean        remove the virtual environment and caches"

# ------------------------------------------------------------------------------------------------------ set-up

$(BIN)/python:
	@PYTHON="$(PYTHON)" tests/setup/make-venv "$(VENV)"

$(VENV)/.run: pyproject.toml | $(BIN)/python
	@echo "installing softswitch into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.run
	@PYTHON="$(PYTHON)" tests/setup/install-compiler
	@echo "installing test tools into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group dev --group interop --group fuzz
	@touch $@

peers: | $(BIN)/python
	@PYTHON="$(BIN)/python" tests/setup/install-peers

# ---------------------------------------------------------------------------------------------------- commands

run: $(VENV)/.run
	@$(BIN)/softswitch demo $(DEMO)

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=.:codecs $(BIN)/lint-imports

test: $(VENV)/.test peers lint
	$(BIN)/python -m pytest -n $(JOBS) $(TESTS)

bench: $(VENV)/.test peers
	$(BIN)/python -m bench.calls

bench-media: $(VENV)/.test
	$(BIN)/python -m bench.media

bench-media-long: $(VENV)/.test
	$(BIN)/python -m bench.media.long_run

bench-acd: $(VENV)/.test
	$(BIN)/python -m bench.acd

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
