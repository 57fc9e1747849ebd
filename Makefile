# Everything works from a bare clone with Python 3.11+ and make.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)
TESTS :=
WORKERS := 3# that run tests side by side: they wait for most of their time
DIST := loadfile# what shares a cluster stays together
PYTEST = $(BIN)/python -m pytest -m "not slow" --numprocesses $(WORKERS) --dist $(DIST)
BENCH := all
INPUTS := pyproject.toml constraints.txt
NPM_OPTIONS := --no-package-lock --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel error
PAGE_CLIENT := cluster/page/vendor/socket.io.esm.min.js

.PHONY: demo setup check fast test bench lint matrix reference clean wheel help

help:  ## Show what there is
	@grep -E '^[a-z]+:.*##' Makefile | sed 's/:.*## /\t/' | expand -t 10

demo: $(VENV)/.installed  ## Start a cluster, kill a node, judge what the clients saw
	$(BIN)/wordaround run scenarios/node-kill.yaml

setup: $(VENV)/.installed-dev $(PAGE_CLIENT)  ## Make the virtual environment with all that development needs

check: lint fast  ## What CI checks first: lint, types, imports, fast tests

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fast: setup
	$(BIN)/python -m pytest -q -m "not process and not slow" --numprocesses $(WORKERS) --dist loadfile tests/unit tests/contract

# The browser's tests have a turn of their own: Chromium gives up what it loads whenever a network interface comes
# or goes, and with containers they do all the time.
test: setup  ## Every test that this machine can run; says which were left out and why
	$(PYTEST) $(or $(TESTS),--ignore=tests/browser)
	$(if $(TESTS),,$(PYTEST) tests/browser)

bench: setup  ## Measure everything against other systems, 20 to 30 minutes; BENCH="fanout --quick" for a part
	$(BIN)/python -m tests.benchmarks $(BENCH)

matrix: setup  ## Write the matrix of broken histories and guarantees into docs/guarantees.md
	$(BIN)/python -m tests.matrix

reference: setup  ## Write what is made from the code into docs/scenarios.md and docs/commands.md
	$(BIN)/python -m tests.reference

wheel: setup  ## Build the wheel into dist/
	$(BIN)/python -m build --wheel --outdir dist .

clean:  ## Remove what was built; runs/ stays
	rm -rf $(VENV) dist build cluster/page/vendor .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

$(VENV)/.made:
	@test -n "$(PYTHON)" || { echo "WordAround needs Python 3.11 or newer, and none was found on PATH." >&2; exit 1; }
ifneq ($(UV),)
	@test -x $(BIN)/python || uv venv --quiet --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" $(VENV)
else
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "This Python ($$($(PYTHON) -V)) comes without venv. On Debian or Ubuntu: apt-get install $(notdir $(PYTHON))-venv;" >&2; \
		echo "or install uv, which needs no venv module. Then run make again." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt pip
endif
	@touch $@

# The official client of the chat page. Without npm everything else works, and the page says what it lacks.
$(PAGE_CLIENT): cluster/page/package.json | $(VENV)/.made
	@lacks() { echo "The chat page lacks socket.io-client, since $$1; then run make setup again." >&2; exit 0; }; \
	command -v npm >/dev/null || lacks "there is no npm on PATH: install it"; \
	from=$(VENV)/page; to=$(dir $(PAGE_CLIENT)); \
	rm -rf $$from && mkdir -p $$from $$to && cp cluster/page/package.json $$from && \
	npm install --prefix $$from $(NPM_OPTIONS) >/dev/null || lacks "npm has failed: see above"; \
	cp $$from/node_modules/socket.io-client/LICENSE $${to}LICENSE.txt && \
	cp $$from/node_modules/socket.io-client/dist/socket.io.esm.min.js $@

ifneq ($(UV),)
INSTALL := uv pip install --quiet --python $(BIN)/python --constraint constraints.txt
else
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
endif

$(VENV)/.installed: $(VENV)/.made $(INPUTS)
	$(INSTALL) --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.made $(INPUTS)
	$(INSTALL) --group dev --editable .
	@touch $@ $(VENV)/.installed
