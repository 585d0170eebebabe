# make demo, make test: everything they need is set up on the way. make help lists the rest.
# The first Python 3.11 that is here; the locked packages are for that version.
PYTHON ?= $(shell for name in python3.11 python3 python; do \
	$$name -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null && echo $$name && break; done)
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: help
help:  ## This list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

.PHONY: demo
demo: $(VENV)/base.ok  ## Run the four calls against a simulated Exchange, then stay up (ARGS=--once: exit)
	@DJANGO_SETTINGS_MODULE=config.settings.demo $(BIN)/python manage.py demo $(ARGS)

.PHONY: test
test: $(VENV)/dev.ok  ## Run all tests on SQLite (ARGS: for pytest)
	$(BIN)/pytest -n 2 $(ARGS)

.PHONY: test-postgres
test-postgres: $(VENV)/dev.ok  ## Run all tests on PostgreSQL and Redis (TEST_DATABASE_URL, TEST_CACHE_URL)
	TEST_DATABASE_URL=$${TEST_DATABASE_URL:-postgres://postgres@127.0.0.1:5432/postgres} \
	TEST_CACHE_URL=$${TEST_CACHE_URL:-rediscache://127.0.0.1:6379/1{worker\}} \
	$(BIN)/pytest -n 2 $(ARGS)

.PHONY: bench
bench: $(VENV)/dev.ok  ## Measure Read and Create, for tests/benchmarks/results.md (ARGS="--case NAME --quick")
	@$(BIN)/python -m tests.benchmarks $(ARGS)

.PHONY: chaos
chaos: $(VENV)/dev.ok  ## Break everything, then count what was lost (ARGS="--seed 7 --events 300")
	@$(BIN)/python -m tests.chaos $(ARGS)

.PHONY: check
check: $(VENV)/dev.ok  ## Lint, types, layers, settings, migrations, OpenAPI
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PRODUCTION) $(BIN)/python -W error manage.py check --deploy --fail-level WARNING
	$(PRODUCTION) $(BIN)/python manage.py makemigrations --check --dry-run
	$(PRODUCTION) $(BIN)/python manage.py spectacular --validate --fail-on-warn --file /dev/null

# Production's settings with keys that nobody has, for checks that store nothing.
PRODUCTION = DJANGO_SETTINGS_MODULE=config.settings.production DATABASE_URL=sqlite://:memory: \
	SECRET_KEY=$$($(BIN)/python -c 'import secrets; print(secrets.token_hex(40))') \
	ENCRYPTION_KEYS=$$($(BIN)/python -c 'import base64, os; print(base64.b64encode(os.urandom(32)).decode())')

.PHONY: lock
lock: $(VENV)/dev.ok  ## Write requirements/*.txt anew from requirements/*.in
	$(BIN)/uv pip compile -q --upgrade --generate-hashes --custom-compile-command "make lock" \
		--python $(BIN)/python requirements/base.in -o requirements/base.txt
	$(BIN)/uv pip compile -q --upgrade --generate-hashes --custom-compile-command "make lock" \
		--python $(BIN)/python -c requirements/base.txt requirements/dev.in -o requirements/dev.txt

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 was not found; name it: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/base.ok: requirements/base.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/base.txt
	@touch $@

$(VENV)/dev.ok: requirements/dev.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@ $(VENV)/base.ok

.PHONY: clean
clean:  ## Remove what the other targets made
	rm -rf $(VENV) .demo .mypy_cache .ruff_cache
