# Every target does its own set-up: a bare clone with Python 3.11 to 3.13 and make is enough.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	"$$p" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo "$$p" && break; done)

help: ## show this help
	@awk -F ':.*## ' '/^[a-z.-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.venv: .venv/installed ## make the virtual environment from the locked requirements

.venv/installed: requirements/dev.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "BYOI needs Python 3.11, 3.12 or 3.13; found: $$(python3 --version 2>&1 || echo none). Install one, or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "setting up .venv with $$($(PYTHON) --version) (a few minutes the first time) ..."
	@$(PYTHON) -m venv .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --use-pep517 --require-hashes -r requirements/dev.txt
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: help .venv

demo: .venv ## train on the built-in sample, deploy to AWS emulated here, and predict, with the SageMaker SDK
	@.venv/bin/byoi demo

test: .venv ## run everything: lint, types, unit, images, container, local mode, emulator, SDK 3, notebooks
	@tests/run

check: .venv ## lint and types only: seconds, before each commit
	@tests/run lint types docstrings

notebooks: .venv ## run the notebooks from their scripts again, and keep their outputs
	@cd notebooks && for script in [0-9]*.py; do ../.venv/bin/jupytext --to ipynb --execute "$$script" || exit 1; done

lab: .venv ## open JupyterLab on the notebooks
	@.venv/bin/jupyter lab --notebook-dir=notebooks $(if $(filter 0,$(shell id -u)),--allow-root)

image: ## build byoi:latest (MODEL_DIR=dir bakes a model in, TARGET=tensorflow trains and serves Keras)
	@container/build_image.sh
	@{ $(MAKE) --no-print-directory build/audit/installed && build/audit/bin/python container/sbom.py "$(built)" "build/$(subst /,-,$(subst :,-,$(built))).cdx.json"; } \
		|| echo "no bill of materials was written: the image is good, and what failed is above" >&2

# The image that `make image` makes.
built = $(or $(TAG),$(if $(filter tensorflow,$(TARGET)),byoi:tensorflow,byoi:latest))

build/audit/installed: requirements/audit.txt
	@test -n "$(PYTHON)" || { echo "the audit and the bill of materials need Python 3.11, 3.12 or 3.13" >&2; exit 1; }
	@$(PYTHON) -m venv --clear build/audit
	@build/audit/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/audit.txt
	@touch $@

audit: .venv build/audit/installed ## look up known vulnerabilities of what serves, and list its licences
	@.venv/bin/python requirements/audit.py

bench: .venv ## compare the shipped server with FastAPI and inference-server, and show where the time goes (15 minutes, needs the package index once)
	@.venv/bin/python benchmarks/encode.py
	@.venv/bin/python benchmarks/serving.py --keep
	@.venv/bin/python benchmarks/where_time_goes.py --keep

bench-rest: .venv ## is what was promised of speed reached? batching beside BentoML and LitServe, and the graphs (8 minutes, MODEL=dir measures a model of your own, too)
	@.venv/bin/python benchmarks/graphs.py
	@.venv/bin/python benchmarks/targets.py --keep $(if $(MODEL),--model $(MODEL))
	@.venv/bin/python benchmarks/batching.py --keep

peers: .venv ## compare serving one scikit-learn model with LitServe, MLServer and BentoML (15 minutes, needs the package index once)
	@.venv/bin/python benchmarks/own_model.py --keep

cycles: .venv ## create, use and delete fifty emulated endpoints: is anything left? (2 minutes, needs docker)
	@.venv/bin/python benchmarks/cycles.py

init-all: .venv ## take the project of each kind of `byoi init` from nothing to an emulated endpoint (needs docker)
	@.venv/bin/python benchmarks/init_all.py --write

mutants: .venv ## does a test fail for each small change of the encoder and the formats? (12 minutes)
	@.venv/bin/python benchmarks/mutants.py

check-all: .venv ## an image for each fault: does `byoi check` name it? and what it finds of byoi:latest (10 minutes, needs docker)
	@tests/run images
	@.venv/bin/python benchmarks/check_all.py --keep

fuzz: .venv ## 200,000 inputs to the decoders, schemathesis on /openapi.json, 5,000 malformed requests (2 minutes, needs the package index once)
	@.venv/bin/python benchmarks/fuzz.py

faults: .venv ## break the server under a steady load: what do clients see, when is it healthy again? (5 minutes)
	@.venv/bin/python benchmarks/faults.py --keep

soak: .venv ## ten minutes of valid, invalid and streamed requests: do memory and descriptors stay?
	@.venv/bin/python benchmarks/soak.py --keep

lock: ## resolve requirements/*.in again (needs uv)
	@for name in serve train dev cli audit; do \
		uv pip compile --universal --generate-hashes --python-version 3.11 --quiet --no-header --no-annotate \
			requirements/$$name.in --output-file requirements/$$name.txt; done
	@uv pip compile --universal --generate-hashes --python-version 3.11 --quiet --no-header --no-annotate \
		--excludes requirements/sdk3_without.in requirements/sdk3.in --output-file requirements/sdk3.txt
	@for name in benchmarks/peers/*.in; do \
		uv pip compile --universal --generate-hashes --python-version 3.11 --quiet --no-header --no-annotate \
			$$name --output-file $${name%.in}.txt; done
	@uv pip compile --universal --python-version 3.11 --quiet --no-header --no-annotate \
		--constraint requirements/dev.txt requirements/notebooks.in --output-file requirements/conda.txt

clean: ## remove what the targets above made in this folder
	@rm -rf .venv build dist .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache

.PHONY: demo test check notebooks lab image bench bench-rest check-all peers cycles mutants fuzz faults soak audit lock clean
