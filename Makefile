# Every command of this repository. They need make and a Python >= 3.11; `make` alone lists them.

VENV ?= .venv
BIN = $(VENV)/bin

# make run: HOST counts only on make's own command line, because some shells export it as the machine's name.
SERVE = $(if $(findstring command,$(origin HOST)),--host $(HOST)) $(if $(PORT),--port $(PORT))

# find-python: V=3.12 asks for that version. Each candidate must run: a pyenv shim may exist and fail.
PYENV_ROOT ?= $(HOME)/.pyenv
CANDIDATES = $(or $(PYTHON),$(if $(V),python$(V) $(PYENV_ROOT)/versions/$(V).*/bin/python$(V),python3 python3.13 python3.12 python3.11 python))
FITS = $(if $(V),sys.version.startswith('$(V).'),sys.hexversion >= 0x030B0000)
define FIND_PYTHON
for python in $(CANDIDATES); do \
  if "$$python" -c "import sys; sys.exit(not $(FITS))" >/dev/null 2>&1; then echo "$$python"; exit 0; fi; \
done; \
echo "error: none of '$(CANDIDATES)' is a Python $(or $(V),>= 3.11) that runs; name one with PYTHON=" >&2; exit 1
endef
ENVIRONMENT = python=$$($(FIND_PYTHON)) && "$$python" scripts/environment.py --venv "$(VENV)"

# A step of make check: its name, then "ok", or all that the tool said.
step = printf '%-18s' '$(1)'; if said=$$({ $(2); } 2>&1); then echo ok; else echo FAILED; printf '%s\n' "$$said"; exit 1; fi

VERSIONS = 3.11 3.12 3.13

# make test: much of the time of the tests is waiting, so that two cores bear three processes. Files stay whole, so that
# what a module starts is started once, and keep the order that tests/conftest.py gives them.
PROCESSES ?= 3

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run demo test check bench bench-calibration chaos matrix format lock openapi clean find-python environment environment-dev

help: ## list these commands
	@echo "make COMMAND [NAME=value ...]"; echo
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1|\2/p' Makefile | while IFS='|' read -r name what; do printf '  %-17s %s\n' "$$name" "$$what"; done

run: environment ## start the service on SQLite (HOST=127.0.0.1 PORT=8000)
	@"$(BIN)/flow-forecaster" serve $(SERVE)

demo: environment ## forecast once from examples/team-weekly.csv and print the answer
	@"$(BIN)/flow-forecaster" when examples/team-weekly.csv --items 50 --start 2026-11-16 --seed 42

test: environment-dev ## run all tests, with real servers (ARGS="-k when -x", PROCESSES=0: all in one)
	@"$(BIN)/python" -m pytest --numprocesses=$(PROCESSES) --dist=loadfile --no-loadscope-reorder $(ARGS)

check: environment-dev ## what CI demands before the tests: format, lint, types, imports, locks, OpenAPI, contract tests
	@$(call step,formatting,"$(BIN)/ruff" format --check .)
	@$(call step,lint,"$(BIN)/ruff" check .)
	@$(call step,types,"$(BIN)/mypy" && "$(BIN)/mypy" scripts/*.py)
	@$(call step,import contracts,"$(BIN)/lint-imports")
	@$(call step,locks,"$(BIN)/python" scripts/lock.py --check)
	@$(call step,OpenAPI document,"$(BIN)/flow-forecaster" openapi --check openapi.json)
	@echo "contract tests"
	@"$(BIN)/python" -m pytest tests/contracts

bench: environment-dev ## measure; each figure beside its rival of the same run
	@"$(BIN)/python" -m benchmarks $(ARGS)

bench-calibration: environment-dev ## hold every forecaster against the histories in DATA=DIR; writes its page of docs
	@"$(BIN)/python" -m benchmarks calibration DATA="$(DATA)" --page docs/explanation/calibration.md $(ARGS)

chaos: environment-dev ## the battery of faults and attacks, hours in full (ARGS="--only worker-kill --size 50")
	@PYTHONPATH="tests$${PYTHONPATH:+:$$PYTHONPATH}" "$(BIN)/python" -m chaos $(ARGS)

matrix: ## run all tests on each Python of VERSIONS that the machine has (VERSIONS="3.12 3.13")
	@ran=; for version in $(VERSIONS); do \
	  if python=$$($(MAKE) -s find-python PYTHON= V=$$version); then \
	    ran=yes; echo "Python $$version"; \
	    $(MAKE) --no-print-directory test PYTHON="$$python" VENV=.venv-$$version || exit 1; \
	  fi; \
	done; test "$$ran"

format: environment-dev ## format the code and mend what the linter can
	@"$(BIN)/ruff" check --fix-only --quiet .
	@"$(BIN)/ruff" format .

lock: environment-dev ## write requirements/ after a change of pyproject.toml (ARGS=--upgrade: newest versions)
	@"$(BIN)/python" scripts/lock.py $(ARGS)

openapi: environment-dev ## write openapi.json after a change of the interface
	@"$(BIN)/flow-forecaster" openapi > openapi.json.new || { rm -f openapi.json.new; exit 1; }
	@mv openapi.json.new openapi.json

clean: ## remove the environments and caches, never the data in var/
	@rm -rf .venv .venv-* .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

environment:
	@$(ENVIRONMENT)

environment-dev:
	@$(ENVIRONMENT) --dev

find-python:
	@$(FIND_PYTHON)
