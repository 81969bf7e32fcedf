# `make` alone prints what there is. Everything Python lives in .venv; nothing else of the machine is touched, except
# that `make test` installs the packages of RabbitMQ, Node, Chromium and compose when they are missing and it may.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run demo check test bench lint format lock schemas rows clean

PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3.14 python3; do \
	command -v $$python >/dev/null 2>&1 && $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
# One more than two processors: the tests also wait. They are independent of each other and have servers of their own.
TEST_WORKERS ?= 3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
RUNTIME := $(VENV)/.runtime-installed
DEV := $(VENV)/.dev-installed
CLIENTS := tests/e2e/clients
PACKAGES := $(CLIENTS)/node_modules/.package-lock.json
AZURITE := tests/servers/azurite
AZURITE_PACKAGES := $(AZURITE)/node_modules/.package-lock.json

help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(RUNTIME) ## Serve everything in one process on http://127.0.0.1:8080, data in .data/
	@exec $(BIN)/python -m deploy.standalone

demo: $(RUNTIME) ## Send a video and an image through it and watch them arrive
	@exec $(BIN)/python -m deploy.demo

check: $(DEV) lint ## The fast part: style, types, import rules, unit tests
	$(BIN)/pytest -q tests/unit

test: $(DEV) ## Everything, against real servers (installs RabbitMQ, Node, Chromium and compose when they are missing and we are root)
	tests/install.sh
	$(MAKE) --no-print-directory $(PACKAGES) $(AZURITE_PACKAGES) lint
	$(BIN)/pytest tests -n $(TEST_WORKERS) --dist worksteal

bench: $(DEV) ## Measure throughput, latency and memory, without judging
	@exec $(BIN)/python -m bench

lint: $(DEV) ## Style, types, import rules, compose file
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m tests.rows >/dev/null
	@if docker compose version >/dev/null 2>&1; then docker compose config --quiet; \
	elif docker-compose version >/dev/null 2>&1; then docker-compose config --quiet; \
	else echo "docker compose is not here: docker-compose.yml is not checked"; fi

format: $(DEV) ## Put the code into shape
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

schemas: $(DEV) ## Write the event schemas and the AsyncAPI document again
	$(BIN)/python -m deploy.schemas

rows: $(DEV) ## Which acceptance rows the tests name
	$(BIN)/python -m tests.rows

lock: $(DEV) ## Pin the dependencies of pyproject.toml again, with hashes
	$(BIN)/pip-compile --quiet --generate-hashes --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
		--output-file requirements/runtime.txt pyproject.toml
	$(BIN)/pip-compile --quiet --generate-hashes --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --allow-unsafe \
		--extra dev --output-file requirements/dev.txt pyproject.toml

clean: ## Remove the environment and the caches; .data/ stays
	rm -rf $(VENV) $(CLIENTS)/node_modules $(AZURITE)/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Longshore needs Python 3.11 or newer; set PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || { echo "venv comes without pip here, fetching it"; \
	rm -rf $(VENV); $(PYTHON) -m venv --without-pip $(VENV); $(PYTHON) -m pip --python $(BIN)/python --quiet install pip; }

$(AZURITE_PACKAGES): $(AZURITE)/package-lock.json
	cd $(AZURITE) && npm ci --loglevel=error
	@touch $@

# The lock files name everything: pip shall look for nothing else (`pydantic[email]`, say, has no line of its own there).
$(RUNTIME): requirements/runtime.txt | $(BIN)/python
	$(PIP) install --require-hashes --no-deps -r requirements/runtime.txt
	@touch $@

$(DEV): requirements/dev.txt | $(BIN)/python
	$(PIP) install --require-hashes --no-deps -r requirements/dev.txt
	@touch $@ $(RUNTIME)

$(PACKAGES): $(CLIENTS)/package-lock.json
	cd $(CLIENTS) && npm ci --loglevel=error
	@touch $@
