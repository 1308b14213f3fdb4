# `make demo` and `make test` are all that a fresh machine needs: Python 3.11 or newer, and make.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
RUN_LOCK := .ci/requirements.txt
TEST_LOCK := .ci/requirements-test.txt
BUILD_LOCK := .ci/requirements-build.txt

.DEFAULT_GOAL := help
.PHONY: help demo run test search check format bench docs lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/run.stamp ## See all of it work: 300 events of a sandbox shop become messages
	@$(BIN)/connector demo

run: $(VENV)/run.stamp ## Start the connector; its data goes to ./connector-data or $CONNECTOR_DATA
	@$(BIN)/connector run

test: check ## Check and test everything
	@$(BIN)/pytest -n auto

check: $(VENV)/test.stamp ## Check style, types and floors
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

search: $(VENV)/test.stamp ## Try the properties on other inputs than always
	@$(BIN)/pytest -n auto --hypothesis-profile=default -m hypothesis

format: $(VENV)/test.stamp ## Bring the code into form
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

bench: $(VENV)/test.stamp ## Measure; prints a table and writes JSON
	@$(BIN)/python -m tests.benchmarks

docs: $(VENV)/test.stamp ## Write docs/commands.md from the commands' own help
	@$(BIN)/python -m tests.house.commands

lock: $(BIN)/python ## Choose the newest versions that pyproject.toml allows, and write the lock files
	@$(PIP) install -qq uv
	@$(call compile,$(RUN_LOCK))
	@$(call compile,$(TEST_LOCK),--group pyproject.toml:test --group pyproject.toml:build)
	@$(call compile,$(BUILD_LOCK),--group pyproject.toml:build,only)

clean: ## Remove the environment and every cache; data stays
	@rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# $(call compile,FILE,GROUPS,only): `only` leaves out what the program itself needs.
# The network's address of the packages is left out of the files: whoever installs has one.
compile = $(BIN)/uv pip compile $(if $(3),,pyproject.toml) $(2) --quiet --upgrade --universal \
	--python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	--custom-compile-command "make lock" --output-file $(1)

# Some dependencies come as source only: setuptools is installed first, by hash, and builds without a
# network of its own. Each stamp is younger than what it was installed from.
$(VENV)/run.stamp: $(BIN)/python pyproject.toml $(RUN_LOCK) $(BUILD_LOCK)
	@$(call install,$(RUN_LOCK))

$(VENV)/test.stamp: $(BIN)/python pyproject.toml $(TEST_LOCK) $(BUILD_LOCK)
	@$(call install,$(TEST_LOCK))
	@touch $(VENV)/run.stamp

install = echo "Installing from $(1)" \
	&& $(PIP) install -qq --no-deps --require-hashes -r $(BUILD_LOCK) \
	&& $(PIP) install -qq --no-deps --require-hashes --no-build-isolation -r $(1) \
	&& $(PIP) install -qq --no-deps --no-build-isolation --editable . \
	&& touch $@

$(BIN)/python:
	@for python in $(PYTHON) python3 python3.13 python3.12 python3.11 python3.14; do \
	  if $$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "Making $(VENV) with $$($$python --version)"; \
	    exec $$python -m venv --clear $(VENV); \
	  fi; \
	done; \
	echo "Python 3.11 or newer, with its venv module, is needed and was not found." \
	  "Install it (on Debian: apt-get install python3 python3-venv), or name it: make PYTHON=/path/to/python3.12" >&2; \
	exit 1
