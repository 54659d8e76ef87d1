# One command each: `make demo`, `make test`, `make doctor`. Everything they need is installed on the first call.
PYTHON ?= python3
PIP_FLAGS ?=
BIN := .venv/bin
CACHE ?= $(HOME)/.cache/glmv-curation
export GLMV_CACHE := $(CACHE)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: env demo test check doctor bench docs lock clean

env: .venv/ready

.venv/ready: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else "Python 3.11 to 3.13 is needed, this is " + sys.version.split()[0] + ": make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet $(PIP_FLAGS) -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps -e .
	touch $@

demo: env
	$(BIN)/python -m jobs.fetch qwen efficientnet museum
	$(BIN)/python -m jobs.demo_corpus $(CACHE)/demo-pool
	$(BIN)/python -m pipelines.recaption --job=jobs/recaption/demo.yaml --input=$(CACHE)/demo-pool

test: env check
	$(BIN)/python -m jobs.fetch smollm2 efficientnet museum
	test -x /usr/bin/chromium || { apt-get update -q && apt-get install -qy --no-install-recommends chromium; }
	$(BIN)/python -m pytest

check: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

doctor: env
	$(BIN)/python -m jobs.doctor

bench: env
	$(BIN)/python -m benchmarks.overhead
	$(BIN)/python -m benchmarks.shard_writing

docs: env
	$(BIN)/python -m jobs.dictionary docs/data-dictionary.md

lock:
	rm -rf .venv-lock && $(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet $(PIP_FLAGS) -e '.[local,dev]'
	.venv-lock/bin/python -m pip freeze --exclude-editable | sed 's/+cpu$$//' > requirements.lock
	rm -rf .venv-lock

clean:
	rm -rf .venv runs
