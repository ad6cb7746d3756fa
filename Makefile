# make demo   sets everything up, loads the database, asks a question, draws every figure to out/,
#             pools the literature, checks its numbers, and runs a replication with ImageNet weights on
#             made images
# make test   sets everything up and runs the linters and the tests
# make fuzz   attacks everything that reads a file, an option or a database, at length (some hours;
#             make fuzz FUZZ='study-files --seed 7' for one of them)
# make test-lowest   runs the tests with the oldest release of each dependency that is allowed
# make clean  removes what they made

VENV   ?= .venv
PYTHON ?= python3
BIN    := $(VENV)/bin
OUT    ?= out

.PHONY: demo test test-lowest lint fuzz clean

demo: $(VENV)/.installed
	mkdir -p $(OUT)
	$(BIN)/medtl-meta --db $(OUT)/medtl-meta.sqlite db load
	$(BIN)/medtl-meta --db $(OUT)/medtl-meta.sqlite query --modality OCT
	$(BIN)/medtl-meta --db $(OUT)/medtl-meta.sqlite figures --out $(OUT)
	$(BIN)/medtl-meta --db $(OUT)/medtl-meta.sqlite stats pool
	$(BIN)/medtl-meta --db $(OUT)/medtl-meta.sqlite audit --verdict inconsistent
	$(BIN)/medtl-meta --db $(OUT)/medtl-meta.sqlite replicate run treder2018 \
	    --images 'phantom:oct?n=240' --backbone mobilenet_v2 --size 96
	$(BIN)/medtl-meta --db $(OUT)/medtl-meta.sqlite replicate runs
	@echo 'Done: open $(OUT)/index.html to look at the figures.'

test: lint
	$(BIN)/python -m pytest $(PYTEST)

lint: $(VENV)/.developing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test-lowest:
	tests/lowest.sh $(VENV)-lowest $(PYTEST)

fuzz: $(VENV)/.developing
	$(BIN)/python -m tests.fuzz $(FUZZ)

clean:
	rm -rf $(VENV) $(VENV)-lowest $(OUT) build dist .mypy_cache .pytest_cache .ruff_cache

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "medtl-meta needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[replicate,offline]'
	touch $@

$(VENV)/.developing: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[dev,replicate,offline,dicom]'
	touch $@ $(VENV)/.installed
