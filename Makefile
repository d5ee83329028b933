# Everything here runs in .venv, which `make setup` makes; nothing needs root.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python

.PHONY: help setup demo test check docs format bench gpu robustness clean

help:  ## Say what there is.
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

setup: $(VENV)/.installed  ## Make the environment; say what the system lacks for optional parts.
	@$(RUN) envs/doctor.py

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
		|| { echo "Python 3.11 to 3.13 is needed; say which: make setup PYTHON=python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet torch==2.13.0
	$(RUN) -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: setup  ## Collect, train, fine-tune and evaluate a small planner; write outputs/demo/report.html.
	$(RUN) policy/demo.py

test: setup  ## Run every test.
	$(RUN) -m pytest

check: setup  ## Lint, format, types, and what README and docs link to or name.
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy .
	$(RUN) -m pytest -n 0 -q tests/docs/test_pages.py

docs: setup  ## Build the documentation: outputs/site/index.html.
	$(RUN) -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build --strict --quiet

format: setup  ## Put the code into its form.
	$(RUN) -m ruff format .
	$(RUN) -m ruff check --fix .

bench: setup  ## Measure speeds beside their references; write results/benchmarks/.
	$(RUN) tests/benchmarks/run.py

gpu: setup  ## Measure one GPU in three minutes; write results/gpu/. Without one, tiny sizes on the CPU.
	$(RUN) tests/benchmarks/gpu/run.py $(ARGS)

robustness: setup  ## Try every promise at length: an hour or two; write results/robustness/.
	$(RUN) -m tests.robustness.run

clean:  ## Remove the environment and everything made by runs.
	rm -rf $(VENV) outputs data .mypy_cache .pytest_cache .ruff_cache
