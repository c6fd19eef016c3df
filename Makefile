MODELS ?= all#            all, names, comma lists, wildcards such as resnet*, options such as lenet[padding=0]
DATASET ?= fashion_mnist# fashion_mnist, cifar10, fashion_mnist_masks, or a folder or archive of images
PROTOCOL ?= auto#         auto, quick, laptop, standard, d2l, or a path to a YAML file
SEEDS ?= 0#               such as 0,1,2
DEVICE ?= auto#           auto, cpu, cuda, cuda:1 or mps
RESULTS ?= results#       folder, or URL such as s3://bucket/results, for records, tables and plots
VARY ?=#                  a field of the protocol and its values, such as batch_size=16,64
BUDGET ?=#                time for the sweep, such as 15m: as many training examples as fit into it
LOGGER ?=#                tensorboard, mlflow or wandb: show runs there too
ARGS ?=#                  any other option, such as --protocol.epochs 8; make options lists them
MODEL ?= lenet#           for describe; all compares all
STUDY ?= kernel_size#     for study: a name, list, all or package.module
FORCE ?=#                 1 does again what has finished
DATA_DIR ?= data#         folder where datasets are looked for and put
PYTHON ?=#                a Python with everything installed, in place of .venv
PINNED ?=#                for setup; 1 installs the versions of constraints.txt

# A word for the shell, whatever characters are in it.
quote = '$(subst ','\'',$(1))'

# Options that also have a variable: JOBS=2 is --jobs 2.
with = $(if $($(1)),--$(2) $(call quote,$($(1))))
OPTIONS = $(call with,JOBS,jobs) $(call with,EXECUTOR,executor) $(call with,TIMEOUT,timeout) \
	$(call with,VARY,vary) $(call with,LOGGER,logger) $(call with,BUDGET,budget) \
	$(call with,DEVICES,devices) $(call with,NUM_NODES,num-nodes) $(call with,STRATEGY,strategy) \
	$(if $(filter-out 0 no false,$(COMPILE)),--protocol.compile true)

export DATA_DIR
export PYTHONPATH := $(CURDIR)$(if $(PYTHONPATH),:$(PYTHONPATH))

ifeq ($(PYTHON),)
PY := .venv/bin/python
READY := .venv/installed
# An environment of an older Python, or of one that is gone, is made anew.
ifneq ($(shell $(PY) -c 'import sys; print(sys.version_info >= (3, 11))' 2>&1),True)
NO_VENV := 1
.PHONY: .venv/installed
endif
else
# Either a program, whose path may have spaces, or a command such as `uv run python`.
PY := $(if $(shell command -v $(call quote,$(PYTHON)) 2>&1),$(call quote,$(PYTHON)),$(PYTHON))
READY :=
endif

IS_PINNED := $(filter-out 0 no false,$(PINNED))
ifneq ($(IS_PINNED),)
.PHONY: .venv/installed
endif

BENCH := $(PY) -m benchmarks
FORCED := $(if $(filter-out 0 no false,$(FORCE)),--force)

.DEFAULT_GOAL := help
.PHONY: help setup data bench options describe peers study claim compare images report notebook test faults lint format clean

help: ## show targets and variables
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | awk -F '\t' '{printf "  make %-10s %s\n", $$1, $$2}'
	@echo
	@grep -hE '^[A-Z_]+ \?=' $(MAKEFILE_LIST) | sed -E 's/ *\?= */\t/; s/# */\t/' | awk -F '\t' '{printf "  %-10s %-14s %s\n", $$1, $$2, $$3}'

setup: $(READY) ## make .venv and install everything

# The tables of pyproject.toml from which packages follow; .venv/installed is a copy of them.
TABLES := sed -n '/^\[build-system\]/,/^\[tool/p' pyproject.toml
INSTALL := PIP_USER=0 PIP_TARGET= PIP_PREFIX= .venv/bin/python -m pip install --quiet --disable-pip-version-check \
	$(if $(IS_PINNED),-c constraints.txt) -e '.[dev]'

.venv/installed: pyproject.toml
	$(if $(NO_VENV),python3 -m venv --clear .venv)
	@$(if $(IS_PINNED),false,$(TABLES) | cmp -s - $@) \
		|| { echo 'installing into .venv ...'; $(INSTALL); }
	@$(TABLES) >$@

data: $(READY) ## find, or fetch, and verify DATASET, and draw some of its images
	@$(BENCH) data --dataset $(call quote,$(DATASET)) --results $(call quote,$(RESULTS)) $(ARGS)

bench: $(READY) ## train MODELS under PROTOCOL and compare them; all: time kernel sizes too
	@exec $(BENCH) run --models $(call quote,$(MODELS)) --dataset $(call quote,$(DATASET)) \
		--protocol $(call quote,$(PROTOCOL)) --seeds $(call quote,$(SEEDS)) \
		--device $(call quote,$(DEVICE)) --results $(call quote,$(RESULTS)) \
		$(if $(filter all,$(MODELS)),--study kernel_size) $(FORCED) $(OPTIONS) $(ARGS)

options: $(READY) ## list every option of bench, and every field of a protocol
	@$(BENCH) run --help

describe: $(READY) ## say what MODEL is and what it costs, layer by layer
	@$(BENCH) describe $(if $(filter all,$(MODEL)),--all --results $(call quote,$(RESULTS)),$(call quote,$(MODEL))) $(ARGS)

peers: $(READY) ## time our training loop of MODELS against those others would write
	@$(BENCH) peers --models $(call quote,$(MODELS)) --device $(call quote,$(DEVICE)) \
		--results $(call quote,$(RESULTS)) $(FORCED) $(ARGS)

study: $(READY) ## measure and answer STUDY
	@$(BENCH) study $(call quote,$(STUDY)) --device $(call quote,$(DEVICE)) \
		--results $(call quote,$(RESULTS)) $(FORCED) $(ARGS)

claim: $(READY) ## say whether model A is better than B in METRIC; RUN=1 trains what is missing, BY=class
	@$(BENCH) claim $(call quote,$(A)) $(call quote,$(B)) --dataset $(call quote,$(DATASET)) \
		--protocol $(call quote,$(PROTOCOL)) --device $(call quote,$(DEVICE)) --results $(call quote,$(RESULTS)) \
		$(call with,METRIC,metric) $(call with,BY,by) $(if $(filter-out 0 no false,$(RUN)),--run) \
		$(if $(filter-out file,$(origin SEEDS)),--seeds $(call quote,$(SEEDS))) $(ARGS)

compare: $(READY) ## say what became better or worse between the results folders A and B
	@$(BENCH) compare $(call quote,$(A)) $(call quote,$(B)) $(ARGS)

images: $(READY) ## draw the test images that models get wrong, and those that separate A from B
	@$(BENCH) images $(if $(A),$(call quote,$(A))) $(if $(B),$(call quote,$(B))) \
		--dataset $(call quote,$(DATASET)) --protocol $(call quote,$(PROTOCOL)) --results $(call quote,$(RESULTS)) $(ARGS)

report: $(READY) ## rebuild tables and plots of RESULTS; ARGS='--format latex' prints a table
	@$(BENCH) report --results $(call quote,$(RESULTS)) $(ARGS)

notebook: $(READY) ## execute notebooks/results.ipynb on RESULTS, DATASET and PROTOCOL, into a copy beside them
	@$(BENCH) notebook --dataset $(call quote,$(DATASET)) --protocol $(call quote,$(PROTOCOL)) \
		$(if $(filter-out file,$(origin RESULTS)),--results $(call quote,$(RESULTS)))

# A worker a core, each of which runs whole files of tests.
WORKERS := -n logical --maxprocesses 8 --dist loadfile

test: $(READY) ## run the tests; ARGS='-m slow' runs the slow ones
	$(PY) -m pytest $(WORKERS) $(ARGS)

faults: $(READY) ## kill, starve and corrupt sweeps, and see that nothing is lost
	$(PY) -m pytest $(WORKERS) tests/faults -m ''

lint: $(READY) ## check style and types
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

format: $(READY) ## apply style
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

clean: ## remove .venv and caches; results and data stay
	rm -rf .venv *.egg-info .pytest_cache .ruff_cache .mypy_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
