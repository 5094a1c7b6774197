# Everything sets itself up: a virtual environment in .venv, with the package in it.
#   make demo    deploy and run the minimal workflow on this machine
#   make demo-cluster   the same on a Slurm cluster, with keys in a vault, both set up for it (Debian 12, root)
#   make check   format, lint, types, import directions, fast tests (about a minute)
#   make test    make check, then every test that this machine can run
#   make docs    write the generated pages: docs/types, docs/problems.md
#   make matrix  build the wheel, and try it with every Python that is there, newest and oldest dependencies
#   make wheelhouse   one archive per kind of machine, for clusters without the internet
#   make crash   kill orch, its Ansible and its jobs again and again: RUNS=200 SEED=1 LANES=2 WORKERS=0 DATABASE=sqlite
#                SITE=local; SITE=slurm has the jobs run on a Slurm cluster that it sets up (Debian 12, root)
#   make bench   measure orch beside xOpera
#   make clean   remove .venv, .demo and caches

SHELL := /bin/bash
# The first Python that is new enough; python3 may be an old one, and a launcher of pyenv's may lead nowhere.
ifndef PYTHON
PYTHON := $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
  if "$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo "$$p"; break; fi; done)
endif
BIN := .venv/bin
RUNS ?= 200
SEED ?= 1
LANES ?= 2
WORKERS ?= 0
SITE ?= local
DATABASE ?= sqlite
PYTEST := $(BIN)/python -m pytest -n 2 --dist worksteal

.PHONY: demo demo-cluster check test fast format lint types imports docs matrix wheelhouse crash bench clean

demo: .venv/.installed
	@PATH="$(abspath $(BIN)):$$PATH" bash topologies/minimal_workflow/demo.sh

demo-cluster: .venv/.developer
	@PATH="$(abspath $(BIN)):$$PATH" bash topologies/minimal_workflow/demo-cluster.sh

test: check
	$(PYTEST) tests --ignore tests/unit --ignore tests/cluster
	$(BIN)/python -m pytest tests/cluster
	@PYTHONPATH=tests $(BIN)/python -m matrix --short

check: lint types imports fast

fast: .venv/.developer
	$(PYTEST) tests/unit

format: .venv/.developer
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: .venv/.developer
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: .venv/.developer
	$(BIN)/mypy

imports: .venv/.developer
	$(BIN)/lint-imports

docs: .venv/.installed
	$(BIN)/python -m orchestrator.app.documentation docs

matrix: .venv/.developer
	@PYTHONPATH=tests $(BIN)/python -m matrix

wheelhouse: .venv/.developer
	@$(BIN)/python release/wheelhouse.py

crash: .venv/.developer
	@PYTHONPATH=tests $(BIN)/python -m crash --runs $(RUNS) --seed $(SEED) --lanes $(LANES) --workers $(WORKERS) --database $(DATABASE) --site $(SITE)

bench: .venv/.developer
	@$(BIN)/python -m benchmarks

.venv/.created:
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  said=$$($(or $(PYTHON),python3) --version 2>/dev/null | head -n 1); \
	  echo "orch needs Python 3.11 or newer; $(or $(PYTHON),python3) is $${said:-not there, or cannot be run}." >&2; \
	  echo "Install one (Debian 12, RHEL 9: python3.11, python3.12), or name it: make demo PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "installing python3-venv"; apt-get update -q >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get install -qy python3-venv >/dev/null; \
	  else echo "Python's venv module is missing: install it first (Debian: apt-get install python3-venv)" >&2; exit 1; fi; \
	  $(PYTHON) -c 'import ensurepip, venv' || { echo "$(PYTHON) has no venv module: install it, or name another Python: make demo PYTHON=..." >&2; exit 1; }; }
	@rm -rf .venv
	$(PYTHON) -m venv .venv
	@touch $@

.venv/.installed: .venv/.created pyproject.toml
	$(BIN)/pip install -q -e .
	@touch $@

.venv/.developer: .venv/.installed
	$(BIN)/pip install -q -e '.[dev]'
	@touch $@

clean:
	rm -rf .venv .demo .demo-cluster .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis dist build
