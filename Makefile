# Two commands: `make demo` reviews the flights, `make test` runs the tests.
# Both set up .venv from the committed locks, whose hashes are required.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VENV ?= .venv
BIN := $(VENV)/bin
OUT ?= runs
PYTHON ?= $(firstword $(foreach one,python3 python3.13 python3.12 python3.11,\
  $(shell $(one) -c 'import sys; sys.version_info >= (3, 11) and print("$(one)")' 2>/dev/null)))
UV := $(shell command -v uv 2>/dev/null)
# uv when present, else pip; both check hashes and compile bytecode, which decides
# half of the start-up time.
ifdef UV
INSTALL := $(UV) pip install --quiet --python $(BIN)/python --compile-bytecode
BUILD := $(UV) build --quiet --wheel --out-dir
else
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
BUILD := $(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir
endif
APT := $(shell command -v apt-get 2>/dev/null)
CHROMIUM := $(shell command -v chromium chromium-browser google-chrome 2>/dev/null | head -1)

.PHONY: help setup browser database lint types test slow demo integration integration-airflow integration-jupyter lock benchmark oldest newest sbom wheel image clean

help:
	@echo "make demo       review the flights case and print where the verdict is"
	@echo "make test       set up and run the tests (slow ones: make slow)"
	@echo "make setup      make .venv with everything for development"
	@echo "make lint types check style and types"
	@echo "make integration  test with Spark, in an environment of its own"
	@echo "make integration-airflow, integration-jupyter  test with those schedulers"
	@echo "make lock       resolve the dependencies anew"
	@echo "make oldest     test with the oldest dependencies; newest: with today's,"
	@echo "                on the newest Python at hand"
	@echo "make sbom       list the locked packages with their hashes (CycloneDX)"
	@echo "make benchmark  measure again every table of docs/benchmarks.md"

# The further environments of CI are installed by uv, in seconds where pip takes minutes.
TOOLS := .venv-tools

$(TOOLS)/bin/uv:
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check uv==0.13.9

demo: $(VENV)/demo.stamp
	$(BIN)/readiness demo --out $(OUT)

setup: $(VENV)/dev.stamp

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed and was not found."; exit 1; }
ifdef UV
	$(UV) venv --quiet --python $(PYTHON) $(VENV)
else
	$(PYTHON) -m venv $(VENV)
endif

$(VENV)/demo.stamp: requirements.lock pyproject.toml | $(BIN)/python
	$(INSTALL) --require-hashes -r requirements.lock
	$(INSTALL) --no-deps --editable .
	$(BIN)/python -m compileall -q readiness
	@touch $@

$(VENV)/dev.stamp: requirements-dev.lock pyproject.toml | $(BIN)/python
	$(INSTALL) --require-hashes -r requirements-dev.lock
	$(INSTALL) --no-deps --editable .
	$(BIN)/python -m compileall -q readiness
	@touch $@

# The browser tests drive Debian's Chromium. Where it cannot be installed they are
# skipped and say so; with CI=true its absence is an error.
browser:
ifeq ($(CHROMIUM),)
ifneq ($(APT),)
	if [ "$$(id -u)" = 0 ]; then apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	  apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null; fi
endif
	command -v chromium chromium-browser google-chrome >/dev/null \
	  || { echo "Chromium is missing: the browser tests will be skipped."; test -z "$${CI:-}"; }
else
	@echo "Chromium: $(CHROMIUM)"
endif

# Some tests read tables from a PostgreSQL server of their own.
database:
	@if ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 \
	  && command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	  apt-get install -y -qq --no-install-recommends postgresql >/dev/null; fi
	@ls /usr/lib/postgresql/*/bin/initdb 2>/dev/null \
	  || { echo "PostgreSQL is missing: its tests will be skipped."; test -z "$${CI:-}"; }

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/nbstripout --verify --keep-id \
	  --extra-keys "metadata.language_info metadata.papermill cell.metadata.papermill" \
	  notebooks/*.ipynb

types: $(VENV)/dev.stamp
	$(BIN)/mypy

# Two workers on two cores: more threads within them only wait for each other.
test slow oldest newest integration integration-airflow integration-jupyter: export OMP_NUM_THREADS := 1

test: $(VENV)/dev.stamp browser database
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n 2 -m "not slow" --durations=10
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

slow: $(VENV)/dev.stamp browser
	$(BIN)/pytest -n 2 --dist loadscope -m slow --durations=10

# Spark is too big for everyone's environment: it gets one of its own, with the locked
# versions of all else, and Debian's Java. Nothing here is skipped.
SPARK_VENV := .venv-integration

integration: java
	$(MAKE) VENV=$(SPARK_VENV) $(SPARK_VENV)/spark.stamp
	$(SPARK_VENV)/bin/pytest -m integration tests/integration/test_local_spark.py

# Two schedulers, each in an environment of its own, as they are released today.
integration-airflow: $(VENV)/dev.stamp
	$(MAKE) VENV=.venv-airflow .venv-airflow/bin/python
	$(subst $(BIN),.venv-airflow/bin,$(INSTALL)) apache-airflow
	READINESS_AIRFLOW=$(CURDIR)/.venv-airflow/bin/airflow \
	  $(BIN)/pytest -m integration tests/integration/test_airflow.py

integration-jupyter: $(VENV)/dev.stamp
	$(MAKE) VENV=.venv-jupyter .venv-jupyter/bin/python
	$(subst $(BIN),.venv-jupyter/bin,$(INSTALL)) jupyterlab jupyter-scheduler --editable .
	PATH=$(CURDIR)/.venv-jupyter/bin:$$PATH READINESS_JUPYTER=$(CURDIR)/.venv-jupyter/bin/jupyter \
	  $(BIN)/pytest -m integration tests/integration/test_jupyter_scheduler.py

.PHONY: java
java:
	@if ! command -v java >/dev/null && command -v apt-get >/dev/null \
	  && [ "$$(id -u)" = 0 ]; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	  apt-get install -y -qq --no-install-recommends openjdk-17-jre-headless >/dev/null; fi
	@command -v java || { echo "Java 17 is needed and was not found."; exit 1; }

$(VENV)/spark.stamp: $(VENV)/dev.stamp
	$(INSTALL) --editable ".[spark]"
	@touch $@

# Every extra but spark.
EXTRAS := --extra cluster --extra demo --extra lab --extra lightgbm --extra sql --extra test --extra xgboost

lock:
	uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	  --no-emit-index-url --extra demo pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	  --no-emit-index-url $(EXTRAS) -c requirements.lock pyproject.toml \
	  -o requirements-dev.lock
	uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	  --no-emit-index-url $(EXTRAS) --resolution lowest-direct pyproject.toml \
	  -o requirements-oldest.lock

# The same tests with the lowest versions that pyproject.toml admits, and with what a
# fresh installation resolves to today.
# Without the process and storage faults: signals and full disks ask nothing of them.
OF_DEPENDENCIES := --ignore=tests/test_faults_process.py --ignore=tests/test_faults_storage.py

oldest:
	$(MAKE) VENV=.venv-oldest .venv-oldest/oldest.stamp
	.venv-oldest/bin/pytest -n 2 -m "not slow" -q $(OF_DEPENDENCIES)

$(VENV)/oldest.stamp: requirements-oldest.lock pyproject.toml | $(BIN)/python
	$(INSTALL) --require-hashes -r requirements-oldest.lock
	$(INSTALL) --no-deps --editable .
	@touch $@

# On the newest Python at hand, where some packages are newer too.
NEWEST_PYTHON ?= $(firstword $(foreach one,python3.13 \
  $(wildcard $(HOME)/.pyenv/versions/3.13*/bin/python) python3.12 \
  $(wildcard $(HOME)/.pyenv/versions/3.12*/bin/python) $(PYTHON),\
  $(shell $(one) -c 'print("$(one)")' 2>/dev/null)))

newest:
	rm -rf .venv-newest
	$(MAKE) VENV=.venv-newest PYTHON=$(NEWEST_PYTHON) .venv-newest/bin/python
	$(MAKE) VENV=.venv-newest newest-install
	.venv-newest/bin/pytest -n 2 -m "not slow" -q $(OF_DEPENDENCIES)

.PHONY: newest-install
newest-install:
	$(INSTALL) --upgrade --editable ".[cluster,demo,lab,lightgbm,sql,test,xgboost]"

# What the locked installation consists of, with hashes: CycloneDX, for a release.
$(TOOLS)/bin/cyclonedx-py:
	test -x $(TOOLS)/bin/python || $(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check cyclonedx-bom==7.5.0

sbom: $(TOOLS)/bin/cyclonedx-py
	@mkdir -p dist
	$(TOOLS)/bin/python -W ignore $(TOOLS)/bin/cyclonedx-py requirements \
	  --pyproject pyproject.toml --mc-type application --output-reproducible \
	  -o dist/sbom.cdx.json requirements.lock
	@echo dist/sbom.cdx.json

wheel: $(VENV)/dev.stamp
	$(BUILD) dist .

# Every table of docs/benchmarks.md. Fifty million rows take pandas 13 GB of memory:
# make benchmark ROWS=1000000 asks for less.
ROWS ?= 1000000 10000000 50000000
benchmark: $(VENV)/dev.stamp database
	$(BIN)/python benchmarks/compare.py
	$(BIN)/python benchmarks/patterns.py
	$(BIN)/python benchmarks/engine.py --rows $(ROWS)
	$(BIN)/python benchmarks/sql.py
	$(BIN)/python benchmarks/cluster.py
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/faults.py
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/tilts.py
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/explain.py
	$(BIN)/python benchmarks/drift.py

# The picture in the README, from a real run.
image: $(VENV)/dev.stamp browser
	$(BIN)/readiness demo --out $(OUT)
	$(BIN)/python benchmarks/picture.py $(OUT)/flight-delay docs/images/verdict.png

clean:
	rm -rf .venv .venv-oldest .venv-newest $(TOOLS) $(SPARK_VENV) dist .coverage*
