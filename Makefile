# `make run` starts the tutor, `make test` passes the tests; both make their own environment first.
PYTHON ?= python3
PORT ?= 7860
export UV_SYSTEM_CERTS := 1
BIN := .venv/bin
UV := $(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode

.PHONY: run chat test check lock clean

run: .venv/ready
	$(BIN)/tutor serve --port $(PORT)

chat: .venv/ready
	$(BIN)/tutor chat

test: .venv/ready-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/tutor check
	$(BIN)/python tests/browser.py
	$(BIN)/pytest

check: .venv/ready
	$(BIN)/tutor check

.venv/ready: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(UV) --require-hashes --requirement requirements.lock
	$(UV) --no-deps --no-build-isolation --editable .
	touch $@

.venv/ready-dev: .venv/ready requirements-dev.lock
	$(UV) --require-hashes --requirement requirements-dev.lock
	touch $@

lock:
	$(BIN)/uv pip compile pyproject.toml --all-extras --group build --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --upgrade --output-file requirements.lock
	$(BIN)/uv pip compile pyproject.toml --all-extras --group build --group dev --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --constraint requirements.lock --output-file requirements-dev.lock

clean:
	rm -rf .venv build dist

.PHONY: bench
bench: .venv/ready-dev
	$(BIN)/python -m tests.benchmark
	$(BIN)/python -m tests.benchmark_models
	$(BIN)/python -m tests.benchmark_progress

.PHONY: faults
faults: .venv/ready-dev
	$(BIN)/python -m tests.benchmark_models faults

.PHONY: simulate
simulate: .venv/ready-dev
	$(BIN)/python -m tests.simulation

.PHONY: topics
topics: .venv/ready-dev
	$(BIN)/python -m tests.topics

.PHONY: fit
fit: .venv/ready-dev
	$(BIN)/python -m tests.likeness
