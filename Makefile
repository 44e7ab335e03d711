# Needs make and Python 3.11 or newer, nothing else.
#   make run [PORT=8000]   try klingweb, with the sandbox instead of a paid provider; Ctrl+C stops it
#   make test              all that must hold before a change is kept; `make lint` is its quick half
#   make faults            the fault matrix on real processes, and its table; on PostgreSQL where the tests have one
#   make bench             how quick it is, on a machine with nothing else to do; takes twelve minutes
#   make simulate          a hundred thousand lives of a generation, with all that can go wrong: LIVES=… SEED=…
#   make requirements      pin the newest versions that pyproject.toml allows

PYTHON ?= python3
PORT := $(or $(PORT),$(KLINGWEB_PORT),8000)
BIN := .venv/bin
MANAGE := $(BIN)/python manage.py
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install --require-hashes
PYTEST := $(BIN)/python -m pytest --numprocesses 2 $(if $(KLINGWEB_TEST_NO_SKIPS),-p tests.no_skips)
LOCK := $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --upgrade --quiet \
	--generate-hashes --no-header --no-annotate --no-emit-index-url

# What checks need to know of an installation: one that is live, at an https address, with nothing stored yet.
LIVE := KLINGWEB_DATA_DIR=.venv KLINGWEB_DATABASE_URL=sqlite:///:memory: KLINGWEB_SANDBOX=off \
	KLINGWEB_PUBLIC_URL=https://pictures.example.com KLINGWEB_TRUSTED_PROXY_COUNT=1 \
	KLINGWEB_SECRET_KEY=only-for-checks-0123456789-abcdefghijklmnopqrstuvwxyz \
	KLINGWEB_ENCRYPTION_KEYS=MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=

.PHONY: run test test-only faults bench lint requirements

run: export KLINGWEB_SANDBOX ?= on
run: export KLINGWEB_PORT = $(PORT)
run: .venv/.requirements-run
	@$(MANAGE) prepare --demo
	@exec $(MANAGE) serve --port $(PORT)

test: lint
	$(BIN)/coverage erase
	$(PYTEST) --cov --cov-report=
	$(BIN)/coverage report --fail-under=95
	$(BIN)/coverage report --fail-under=100 --include='generations/providers/*,generations/lifecycle.py'

test-only: .venv/.requirements-dev
	$(PYTEST)

faults: .venv/.requirements-dev
	$(PYTEST) -m 'faults or not faults' tests/faults tests/simulation/test_mutations.py
	@$(BIN)/python -m tests.faults.table

bench: .venv/.requirements-dev
	@$(BIN)/python -m tests.bench $(BENCH)

simulate: .venv/.requirements-dev
	@$(BIN)/python -m tests.simulation --lives $(or $(LIVES),100000) --seed $(or $(SEED),1) --workers 2

lint: .venv/.requirements-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/djlint --lint --quiet templates
	$(LIVE) $(MANAGE) makemigrations --check --dry-run
	$(LIVE) $(MANAGE) check --deploy --fail-level WARNING

requirements: $(BIN)/uv
	$(LOCK) --output-file requirements.txt
	$(LOCK) --group dev --constraint requirements.txt --output-file requirements-dev.txt
	@! grep -nE 'https?://|index-url|find-links' requirements.txt requirements-dev.txt

# Everything is installed again only when its list has changed.
.venv/.requirements-run: requirements.txt | $(BIN)/python
	@echo "Installing what klingweb needs into .venv: this takes a minute, once."
	@$(PIP) --requirement requirements.txt
	@touch $@

.venv/.requirements-dev: requirements-dev.txt | $(BIN)/python
	@echo "Installing what the tests need into .venv: this takes a minute, once."
	@$(PIP) --requirement requirements-dev.txt
	@touch $@

$(BIN)/uv: | $(BIN)/python
	@$(BIN)/python -m pip --disable-pip-version-check --quiet install uv

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "klingweb needs Python 3.11 or newer. Name one that you have: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv .venv
