# Two commands: `make up` runs the platform, `make test` tests it. Both set up what they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Another Python makes another environment; a changed lock brings the one that is there up to date.
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
READY := $(VENV)/.ready-$(VERSION)
# The BigQuery emulator that tests run against needs a Python 3.13 of its own; without one they are skipped.
EMULATOR_PYTHON := $(firstword $(wildcard $(HOME)/.pyenv/versions/3.13*/bin/python3.13) $(shell command -v python3.13))
EMULATOR := $(if $(EMULATOR_PYTHON),.venv-emulator/.ready)

# The stand-in of Terraform's Google provider, and checkov, are in an environment of their own.
TERRAFORM := $(if $(shell command -v terraform),.venv-terraform/.ready)

# uv, itself as the lock has it, downloads side by side; where only pip knows the way to an index, pip does it.
PIP := -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --require-hashes --requirement
define install
sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > $(1)/uv.lock
$(1)/bin/python $(PIP) $(1)/uv.lock
$(1)/bin/uv pip install --quiet --python $(1)/bin/python --no-deps --require-hashes --requirement $(2) || $(1)/bin/python $(PIP) $(2)
endef

# The first start finds compiled what processes import, and later ones too.
unexport PYTHONDONTWRITEBYTECODE
define COMPILE
from importlib import import_module
from energy_platform.operations.supervision.plan import shared_modules
from simulator.world import modelled_providers
for module in [*shared_modules(), "simulator.__main__", "energy_platform.pipeline.stores"]:
    import_module(module)
list(modelled_providers())
endef
export COMPILE

.PHONY: up demo test quick beam deploy-test nightly soak compose-soak fuzz web format audit bench lock clean
.PHONY: check check-format check-types check-imports check-generated check-delivery check-web check-tests

up: $(READY) ## Set up, then run the whole platform until Ctrl-C
	@exec $(BIN)/energy-platform up

demo: $(READY) ## Set up, then make a demo: ninety days of the simulated world, for notebooks
	@$(BIN)/energy-platform demo

# To collect these alone takes a third of the time of collecting all.
WHOLE_PLATFORMS := tests/browser/platform tests/end_to_end
test: quick ## Set up, then run every test, those that start the whole platform last
	$(BIN)/pytest -m end_to_end $(WHOLE_PLATFORMS)

quick: $(READY) $(EMULATOR) ## The tests that start no platform
	$(BIN)/pytest -m "not end_to_end and not nightly and not deploy" --numprocesses 6 --dist worksteal

beam: .venv-beam/.ready ## Apache Beam in .venv-beam, which stages replays on this machine or on Dataflow

deploy-test: $(READY) .venv-beam/.ready $(TERRAFORM) ## Test what stands beside the platform in production: images, databases, Terraform
	$(BIN)/pytest -m deploy

nightly: $(READY) $(EMULATOR) ## What is too slow by day, ten times the examples of each property, ten thousand mutated payloads a parser: hours
	$(BIN)/pytest -m nightly
	EFFORT=10 $(BIN)/pytest -m "hypothesis and not nightly" --timeout 3600 --numprocesses 2 --dist worksteal
	EFFORT=100 $(BIN)/pytest tests/unit/test_mutated_payloads.py -rP --timeout 14400 --numprocesses 2 --dist worksteal
	$(MAKE) fuzz

COMPOSE_MINUTES ?= 60
compose-soak: $(READY) ## Kill the containers of the platform of compose.yaml for an hour, or COMPOSE_MINUTES
	@PYTHONPATH=. $(BIN)/python -m tests.faults.compose --minutes $(COMPOSE_MINUTES)

SOAK_MINUTES ?= 60
soak: $(READY) $(EMULATOR) ## Strike whole platforms for an hour, or SOAK_MINUTES, and hold them to account: no row lost, none doubled
	@PYTHONPATH=. $(BIN)/python -m tests.faults.soak --minutes $(SOAK_MINUTES)

FUZZ_SECONDS ?= 60
fuzz: $(READY) ## Look for payloads that do worse than being refused, for FUZZ_SECONDS with each parser
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target .fuzz 'atheris==3.0.0'
	PYTHONPATH=.:.fuzz $(BIN)/python -m tests.faults.fuzz --seconds $(FUZZ_SECONDS)

check: check-types check-format check-imports check-generated check-delivery check-web check-tests ## Format, lint, types, which way imports point, whether generated files are up to date, images, workflows, tests that can be collected

check-format: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

check-types: $(READY)
	$(BIN)/mypy

# It leaves the tests' modules compiled, which each of the processes that run them would do for itself.
check-tests: $(READY)
	@found=$$($(BIN)/pytest --collect-only --quiet --quiet -p no:syrupy) || { echo "$$found"; exit 1; }

check-imports: $(READY)
	PYTHONPATH=. $(BIN)/lint-imports

check-generated: $(READY)
	$(BIN)/energy-platform generate --check

check-delivery: $(READY)
	$(BIN)/hadolint deploy/docker/*Dockerfile tests/deploy/*.Dockerfile
	$(BIN)/actionlint
	$(BIN)/zizmor --offline --quiet .github/workflows

# Users need no node: what is built is committed. Where node is there, the check builds anew and compares.
WEB := energy_platform/dashboard/web
NODE := $(shell command -v npm)
$(WEB)/node_modules/.ready: $(WEB)/package-lock.json
	cd $(WEB) && npm ci --silent && touch node_modules/.ready

web: $(WEB)/node_modules/.ready ## Build the screens' front end into energy_platform/dashboard/static
	cd $(WEB) && npm run --silent build

ifeq ($(NODE),)
check-web:
	@echo "SKIPPED: the screens' front end is neither checked nor built anew, because node is missing"
else
check-web: $(WEB)/node_modules/.ready ## Lint and test the front end, and whether the committed build is its own
	cd $(WEB) && npm run --silent check && npm run --silent build -- --outDir node_modules/.built --emptyOutDir
	diff --recursive $(WEB)/node_modules/.built energy_platform/dashboard/static
endif

format: $(READY) ## Format, mend what the linter can, and write what follows from the catalogue
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/energy-platform generate

audit: $(READY) ## Look up every locked package among the known vulnerabilities, over the network
	$(BIN)/python .ci/audit.py requirements.lock requirements-emulator.lock requirements-beam.lock requirements-image.lock requirements-terraform.lock

bench: $(READY) ## Measure all that is wanted of the hot path, and close with a table of verdicts: most of an hour
	@PYTHONPATH=. $(BIN)/python benchmarks/bench.py

# All but `bench`, whose pandas is another one, and `beam`, whose pyarrow is.
EXTRAS := notebook follow bigquery influxdb feeds platform postgres pubsub dashboard dbt grafana signals simulator dev
# What processes in production import; the image has these alone.
PRODUCTION := follow bigquery influxdb feeds platform postgres pubsub dashboard dbt signals
PIN := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
lock: $(READY) ## Resolve the dependencies again; the locks name no index
	$(PIN) $(addprefix --extra ,$(EXTRAS)) --output-file requirements.lock pyproject.toml
	$(PIN) --constraint requirements.lock $(addprefix --extra ,$(PRODUCTION)) --output-file requirements-production.lock pyproject.toml
	$(PIN) --constraint requirements.lock --extra simulator --output-file requirements-simulated.lock pyproject.toml
	$(PIN) --constraint requirements.lock --output-file requirements-image.lock requirements-image.in
	echo "duckdb==1.5.5" | $(BIN)/uv pip compile --quiet --universal --python-version 3.13 --generate-hashes \
		--no-emit-index-url --no-header --override /dev/stdin \
		--output-file requirements-emulator.lock requirements-emulator.in
	$(PIN) --extra beam --output-file requirements-beam.lock pyproject.toml
	$(PIN) --output-file requirements-terraform.lock requirements-terraform.in

clean:
	rm -rf $(VENV) .venv-emulator .venv-beam .venv-terraform .energy_platform

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.11")'
	test -x $(BIN)/python$(VERSION) || $(PYTHON) -m venv --clear $(VENV)
	$(call install,$(VENV),requirements.lock)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	$(BIN)/python -m pip check
	PYTHONPATH=. $(BIN)/python -c "$$COMPILE"
	touch $(READY)

# The emulator asks for a newer DuckDB than the one that its extensions come with as wheels.
.venv-emulator/.ready: requirements-emulator.lock
	$(EMULATOR_PYTHON) -m venv --clear .venv-emulator
	$(call install,.venv-emulator,requirements-emulator.lock)
	.venv-emulator/bin/python -c 'from duckdb_extensions import import_extension as add; [add(name) for name in ("ducklake", "icu", "spatial")]'
	touch .venv-emulator/.ready

# Beam's own environment: it wants an older pyarrow. Without an index of its packages it can't be made.
.venv-beam/.ready: requirements-beam.lock
	$(PYTHON) -m venv --clear .venv-beam
	$(call install,.venv-beam,requirements-beam.lock)
	touch .venv-beam/.ready

.venv-terraform/.ready: requirements-terraform.lock
	$(PYTHON) -m venv --clear .venv-terraform
	$(call install,.venv-terraform,requirements-terraform.lock)
	touch .venv-terraform/.ready
