# The commands of mark-event-queue. `make` alone lists them.
PYTHON ?= python3
RUN := .venv/bin/python
CHECKOV := .venv-checkov/installed
.DEFAULT_GOAL := help
SECONDS ?= 180
SEED ?=
DEPTH ?= 2
JAR ?=
CALL ?=
# Where bytecode is not kept, every process compiles the AWS tools anew, which is most of what it does.
unexport PYTHONDONTWRITEBYTECODE
.PHONY: help demo up faults check-order sfn-local bench cost capacity check test contracts contract-docs lint format lock install

help: ## List the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */\1\t/' | expand -t 12

demo: install ## Run the real stack on this machine, tell it a story, print what each client got; leaves build/demo.html
	@$(RUN) -m local.demo

up: install ## Leave the same stack running, and print how to put an event in and read a queue
	@$(RUN) -m local.up

faults: install ## Attack the deployed stack with generated faults for SECONDS, from a SEED
	@$(RUN) -m tests.faults --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))

check-order: install ## Go through all interleavings of small scopes, to a DEPTH (make test does 1)
	@$(RUN) -m tests.checker --depth $(DEPTH)

sfn-local: install ## Run the named cases on Step Functions Local: by Docker, or by JAR=path
	@$(RUN) -m local.sfn_local $(if $(JAR),--jar $(JAR))

bench: install ## Measure calls, work, cold start, rate and growth; writes build/. With CALL=20ms only as on AWS
	@$(RUN) -m bench $(if $(CALL),--call $(CALL))

cost: build/bench.json ## Reckon dollars per million events, beside other designs (runs the bench first, once)
	@$(RUN) -m bench.cost

capacity: build/bench.json ## Reckon events per second and where the next limit lies (runs the bench first, once)
	@$(RUN) -m bench.capacity

build/bench.json:
	@$(MAKE) --no-print-directory bench

check: lint ## Run the quick checks: style, types, templates, and all tests that need no engine
	@$(RUN) -m pytest -n auto -m "not slow" tests/unit tests/contract tests/template tests/statemachine

test: check ## Run every check
	@$(RUN) -m pytest -n auto -m slow tests/unit tests/contract
	@$(RUN) -m pytest -n 2 --dist loadgroup tests/integration tests/e2e tests/faults tests/checker

contracts: install ## Build the packages for other teams' tests into dist/: Python, and npm where node is there
	@$(RUN) -m contracts.wheel
	@$(RUN) -m contracts.npm_package

contract-docs: install ## Write the AsyncAPI document of the contract, and its page, into docs/contract/
	@$(RUN) -m contracts.asyncapi
	@$(RUN) -m contracts.pages

lint: install $(CHECKOV) ## Check style, types and templates
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@$(RUN) -m mypy
	@.venv/bin/meq contract check
	@.venv/bin/cfn-lint --regions eu-west-2 -- template.yaml client.yaml local/mark-api.yaml examples/consumer/template.yaml
	@.venv-checkov/bin/checkov --quiet --compact --skip-download --framework cloudformation --file template.yaml client.yaml examples/consumer/template.yaml
	@.venv/bin/uv pip check --quiet --python $(RUN)

# An environment of its own: checkov is pinned to versions that the AWS tools do not take.
$(CHECKOV): requirements-checkov.txt | install
	@echo "Installing checkov into .venv-checkov, once ..."
	@$(RUN) -m venv --clear --without-pip .venv-checkov
	@.venv/bin/uv pip install --quiet --python .venv-checkov/bin/python --no-deps --require-hashes --requirement requirements-checkov.txt || $(RUN) -m pip --python .venv-checkov/bin/python --quiet install --no-deps --require-hashes --requirement requirements-checkov.txt
	@touch $@

format: install ## Bring the code into shape
	@$(RUN) -m ruff check --fix .
	@$(RUN) -m ruff format .

lock: install ## Lock the dependencies anew (pyproject.toml, functions/requirements.in)
	@.venv/bin/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet --upgrade --group dev pyproject.toml functions/requirements.in --output-file requirements-dev.txt
	@.venv/bin/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet --upgrade functions/requirements.in --output-file functions/requirements.txt
	@.venv/bin/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet --upgrade --group checkov --output-file requirements-checkov.txt

# What a Python that is too old can still read.
TOO_OLD := Python 3.11 or later is needed, this is %d.%d: try make PYTHON=python3.13 ...

install:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(v < (3, 11) and "$(TOO_OLD)" % v or 0)'
	@$(PYTHON) local/bootstrap.py
