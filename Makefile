# metricgrid: `make run` installs and shows live figures, `make test` installs and tests. Needs Python >= 3.11 and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
LOCKS  := requirements/uv.txt requirements/dev.txt
ARGS   ?=
# the same input gives the same lock files anywhere: no index address and no path of this machine gets into them
COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

.PHONY: help setup run demo test lint fmt lock bench-ingest bench-layout clean
help:
	@echo "make run           install what is missing, start everything, show live figures (Ctrl-C stops)"
	@echo "make demo          the same once: replay, count, print, audit, stop (ARGS=\"--events 1469307\" for all)"
	@echo "make test          all tests (ARGS=\"tests/unit -k name\" for some)"
	@echo "make lint          ruff, mypy, import-linter;  make fmt formats"
	@echo "make bench-ingest  events a second beside plain Faust;  make bench-layout  what a stored row costs"
	@echo "make lock          resolve the locked versions anew;  make clean removes what was made here"

setup: $(READY)

# done again when a locked version or the package's own metadata changes; otherwise there is nothing to do
$(READY): $(LOCKS) pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed, this is " + sys.version.split()[0] + ": make PYTHON=python3.12")'
	@echo "setup 1/4: virtual environment $(VENV) ($$($(PYTHON) --version))"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "setup 2/4: installer"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@echo "setup 3/4: $$(grep -c '^[a-z].*==' requirements/dev.txt) locked packages (some 500 MB to fetch the first time)"
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip sync --require-hashes --compile-bytecode $(LOCKS)
	@echo "setup 4/4: metricgrid itself"
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --no-deps --no-build-isolation -e .
	@touch $(READY)
	@echo "setup done: $(BIN)/metricgrid --help"

run: $(READY)
	@$(BIN)/metricgrid demo $(ARGS)

demo: $(READY)
	@$(BIN)/metricgrid demo --exit $(ARGS)

test: $(READY)
	$(BIN)/python -m pytest $(ARGS)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fmt: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock:
	@test -x $(BIN)/uv || { $(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip install --quiet --require-hashes -r requirements/uv.txt; }
	$(COMPILE) requirements/uv.in -o requirements/uv.txt
	$(COMPILE) pyproject.toml -o requirements/run.txt
	$(COMPILE) pyproject.toml --extra local --group dev -o requirements/dev.txt

bench-layout: $(READY)
	$(BIN)/python -m tests.bench.layout

bench-ingest: $(READY)
	$(BIN)/python -m tests.bench.ingest $(ARGS)

clean:
	rm -rf $(VENV) data .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
