# make run    build .venv from the lock, prepare the embedded database, serve http://127.0.0.1:8080/
# make test   format, lint, types, import contracts and every test
# The README shows the same without make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test check format lock clean

run: $(VENV)/.run
	@$(BIN)/varde serve

test: $(VENV)/.test
	@bash tests/run

check: $(VENV)/.test
	@bash tests/run --no-tests

format: $(VENV)/.test
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

# A lock that changed means a new installation; an unchanged one costs nothing.
$(VENV)/.run: requirements.lock pyproject.toml
	@PYTHON="$(PYTHON)" bash tools/install "$(VENV)" requirements.lock
	@touch $@

$(VENV)/.test: requirements-test.lock pyproject.toml
	@PYTHON="$(PYTHON)" bash tools/install "$(VENV)" requirements-test.lock
	@touch $@ $(VENV)/.run

# Needs uv (pip install uv); writes no index address.
lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q pyproject.toml -o requirements.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q --extra test pyproject.toml -o requirements-test.lock

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
