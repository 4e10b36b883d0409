# make quickstart   set up, then find, train and export a winner for the demo task (README.md says what to expect)
# make test         set up, then run all tests
# make test-fast    set up, then run the tests of a few seconds each
# make setup        the virtual environment alone

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
# A file a process, a process a core: each takes some 4 GB, and one thread for numpy's matrices. In the order of tests/conftest.py.
TESTS := OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest tests -n auto --maxprocesses=4 --dist=loadfile --no-loadscope-reorder
PIP := $(BIN)/pip install --quiet --disable-pip-version-check

.PHONY: quickstart test test-fast setup setup-test check clean

quickstart: setup
	$(BIN)/python -m bertnas_jax.search --flagfile=configs/quickstart.cfg

test: setup-test
	$(TESTS)

test-fast: setup-test
	$(TESTS) -m "not slow"

setup: $(VENV)/.ready
setup-test: $(VENV)/.ready-test

check:
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) must be installed, found none; install Python 3.11 or give make PYTHON=/path/to/it" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "error: Python must be 3.11, got $$($(PYTHON) --version); give make PYTHON=/path/to/python3.11" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "error: $(PYTHON) must have venv; install the package python3.11-venv" >&2; exit 2; }
	@command -v g++ >/dev/null || { echo "error: a C++ compiler must be installed to link compiled models, found no g++; install the package g++" >&2; exit 2; }

$(VENV)/.ready: setup.py constraints.txt demo-requirements.txt | check
	$(PYTHON) -m venv --clear $(VENV)
	$(PIP) -c constraints.txt -e .
	$(PIP) --no-deps -r demo-requirements.txt
	touch $@

$(VENV)/.ready-test: $(VENV)/.ready
	$(PIP) -c constraints.txt -e '.[test]'
	touch $@

clean:
	rm -rf $(VENV) runs
