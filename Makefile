# The house commands. `make help` lists them from the comments beside their names.
# Works with the make of Debian and of macOS (GNU Make 3.81); all logic beyond "install, then call" lives in `kinfold`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: run test lint bench vendor install lock clean help
.DELETE_ON_ERROR:

run: install ## Serve an embedded node from ./var on http://localhost:8000 and print a one-time sign-in link
	@export KINFOLD_DEVELOPMENT=1 KINFOLD_DOMAIN=localhost:8000 KINFOLD_DATA_DIR="$${KINFOLD_DATA_DIR:-./var}"; \
	{ [ -e "$$KINFOLD_DATA_DIR/node.toml" ] || $(BIN)/kinfold init --domain localhost:8000 --welcome --no-link; } \
	&& exec $(BIN)/kinfold serve --sign-in-link

test: $(VENV)/.test ## Run the whole test suite, on SQLite and PostgreSQL both (TESTS="tests/groups -x" narrows it)
	@$(BIN)/python -m pytest $(if $(TESTS),$(TESTS),--numprocesses=auto)

lint: $(VENV)/.test ## Check style, formatting, types and the import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: $(VENV)/.test ## Measure inbox, delivery, start and memory, and print ratios (some minutes, on a quiet machine)
	@$(BIN)/python -m tests.bench

vendor: ## Rebuild vendored browser code (there is none yet: pages carry no third-party script)
	@echo "Nothing is vendored yet: Kinfold's pages carry no third-party browser code."

install: $(VENV)/.run ## Make .venv with what running needs, and stop there

lock: ## Resolve pyproject.toml into requirements/*.txt with uv (LOCK_FLAGS=--upgrade takes newer releases)
	@command -v uv >/dev/null 2>&1 || { echo "make lock needs uv: python3 -m pip install uv"; exit 1; }
	@$(COMPILE) --output-file requirements/run.txt
	@$(COMPILE) --group test --constraint requirements/run.txt --output-file requirements/test.txt

clean: ## Remove .venv, caches and build output; the node's data in ./var stays
	@rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache tests/.cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' Makefile

# One resolution serves Linux and macOS on every supported Python. No index addresses and no paths are written: the files
# are the same whoever makes them. "build" locks setuptools too, so that not even the build step fetches anything unhashed.
COMPILE = uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --custom-compile-command "make lock" --extra postgres --group build $(LOCK_FLAGS)

# What is missing is said in one first line that names the fix.
$(BIN)/python:
	@command -v $(PYTHON) >/dev/null 2>&1 || { \
	echo "Kinfold needs Python 3.11 or newer and found no $(PYTHON): $(INSTALL_PYTHON)."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || { \
	echo "Kinfold needs Python 3.11 or newer and $(PYTHON) is older: $(INSTALL_PYTHON), then make $(MAKECMDGOALS) PYTHON=python3.x."; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' >/dev/null 2>&1 || { \
	echo "Kinfold needs Python's venv module, which $(PYTHON) lacks: apt install python3-venv (elsewhere: reinstall Python)."; exit 1; }
	@echo "Setting up .venv with the locked dependencies; this happens once."
	@$(PYTHON) -m venv --clear $(VENV)

INSTALL_PYTHON = apt install python3 python3-venv on Debian, brew install python on macOS

# The stamps keep pip out of every later start. A checkout's own code is linked, not copied, so it needs no re-install.
$(VENV)/.run: requirements/run.txt pyproject.toml $(BIN)/python
	@$(PIP) install --require-hashes --requirement requirements/run.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.test: requirements/test.txt pyproject.toml $(BIN)/python
	@$(PIP) install --require-hashes --requirement requirements/test.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/.run
