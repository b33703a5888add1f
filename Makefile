# `make help` says what there is. Variables on the command line are passed on: make run PORT=9000
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
BIN := .venv/bin
LOCK = $(BIN)/uv pip compile --universal --generate-hashes --no-header --no-annotate --no-emit-index-url --quiet --upgrade
COMPILE = $(LOCK) --extra checkout pyproject.toml

help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: .venv/run.stamp ## Start everything on http://127.0.0.1:8000 (PORT=...), with its own PostgreSQL in .data/
	@exec env ENVIRONMENT=$${ENVIRONMENT:-development} $(BIN)/namaskah serve

demo: .venv/run.stamp ## Play the main job on real messages and prove the ledger (CORPUS=..., ARGS=--json)
	@exec $(BIN)/namaskah demo $(ARGS)

test: .venv/dev.stamp .venv/servers.stamp ## Run all tests, with the servers they need (ARGS="tests/wallet -x")
	@$(BIN)/pytest -n auto $(ARGS)

lint: .venv/dev.stamp ## Check style, types and import rules
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

check: lint test ## Everything that must hold before a change goes in

format: .venv/dev.stamp ## Put the code into its standard form
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

bench: .venv/dev.stamp ## Measure every row of the performance table beside its ceiling (SCALE=10000000)
	@$(BIN)/python -m bench $(ARGS)

baseline: .venv/run.stamp ## Measure a running instance and compare with the last time (ARGS="--url ...")
	@$(BIN)/namaskah baseline $(ARGS)

load: .venv/dev.stamp ## Play 100, 500 and 1,000 users on the real flow and print every step's times (ARGS="--users 50")
	@$(BIN)/python -m bench.load $(ARGS)

wheel: .venv/dev.stamp ## Build the wheel into dist/
	@$(BIN)/python -m build --no-isolation --outdir dist

lock: .venv/dev.stamp ## Take the newest versions of all dependencies into the lock files
	@$(COMPILE) --output-file requirements.lock
	@$(COMPILE) --extra dev --constraints requirements.lock --output-file requirements-dev.lock
	@echo 'bugsink>=2.6' | $(LOCK) --python-version 3.11 --output-file requirements-bugsink.lock -

clean: ## Remove what can be made again; the data in .data/ stays
	@rm -rf .venv dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

.venv/run.stamp: requirements.lock pyproject.toml scripts/setup
	@scripts/setup requirements.lock && touch $@

.venv/dev.stamp: requirements-dev.lock pyproject.toml scripts/setup
	@scripts/setup requirements-dev.lock && touch $@ .venv/run.stamp

# Fetched here, in one go; without them the tests that need them fail and say what to install.
.venv/servers.stamp: scripts/servers .venv/dev.stamp
	@scripts/servers && touch $@ || true

.PHONY: help run demo test lint check format bench load baseline wheel lock clean
