# One environment (.venv), one Cargo profile and one target folder for everything except the wheel, so that the AWS crates
# compile once.

PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)

VENV := .venv
BIN := $(VENV)/bin
TOOLS := $(VENV)/.tools
BUILT := $(VENV)/.built
CHARTS := web/.built
CHART_SOURCES := $(shell find web -path web/node_modules -prune -o -type f ! -name .built -print)
RUST_SOURCES := Cargo.toml Cargo.lock $(shell find src -name '*.rs')

# An active Python environment of the user must have no effect.
export VIRTUAL_ENV := $(CURDIR)/$(VENV)
unexport CONDA_PREFIX PYTHONDONTWRITEBYTECODE PYTHONHOME PYTHONPATH

.DELETE_ON_ERROR:
.PHONY: help demo demo-web test coverage soak locust-suite fuzz fuzz-python model screenshots lint format wheel bench docs clean

help: ## list all commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1 \2/p' $(MAKEFILE_LIST) | awk '{printf "  %s %-13s", $$1, $$2; $$1 = $$2 = ""; print}'

demo: $(BUILT) ## run a 20 s test against a local CloudWatch and read the results back
	$(BIN)/python examples/demo/demo.py

demo-web: $(BUILT) ## open Locust's web UI with a local CloudWatch and a target that saturates
	$(BIN)/python examples/demo/web.py

# Most tests wait for something, so run more of them in parallel than there are cores.
TEST_PROCESSES ?= 14
test: $(BUILT) ## run the Rust and Python tests
	@.ci/programs
	cargo test --locked --no-default-features --features aws -- --test-threads 8
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist worksteal

# For some of the tests: make coverage TESTS='tests/unit tests/e2e/test_wire.py'
coverage: $(BUILT) ## report which lines the tests reach, in target/coverage/html
	@.ci/programs
	@.ci/coverage $(TESTS)

soak: $(BUILT) ## run tests of long outages, many crashes, and many tests in one process
	LOCUST_CW_LONG_TESTS=1 $(BIN)/python -m pytest tests/e2e/test_crash.py tests/e2e/test_leaks.py tests/e2e/test_outages.py \
		tests/e2e/test_rejections.py

locust-suite: $(BUILT) ## run Locust's own tests with and without locust-cw; takes about 30 minutes
	$(BIN)/python -m pip install --quiet --group locust-suite
	$(BIN)/python tests/locust_suite.py

# The core has no `unsafe`, so sanitizers would find nothing.
FUZZ_SECONDS ?= 60
fuzz: ## fuzz what the core reads, FUZZ_SECONDS per target; see docs/testing.md
	set -e; targets=$$(cargo +nightly fuzz list); for target in $$targets; do \
		mkdir -p fuzz/corpus/$$target; \
		cargo +nightly fuzz run --sanitizer none $$target fuzz/corpus/$$target $$(ls -d fuzz/seeds/$$target 2>/dev/null) \
			-- -max_total_time=$(FUZZ_SECONDS) -dict=fuzz/json.dict; \
	done

model: ## test thread interleavings with shuttle
	RUSTFLAGS='--cfg shuttle' cargo test --locked --no-default-features --lib --target-dir target/model model::

fuzz-python: $(BUILT) ## test properties of the Python modules with 2,000 examples each
	$(BIN)/python -m pytest --hypothesis-profile=fuzz --timeout=3600 tests/unit/test_any_input.py

screenshots: $(BUILT) ## take the screenshots of the web UI in docs/images
	@.ci/programs
	$(BIN)/python docs/screenshots.py

lint: $(BUILT) ## check formatting, clippy, ruff, mypy, and the stub of the native module
	cargo fmt --check
	cargo fmt --check --manifest-path fuzz/Cargo.toml
	cargo clippy --locked --all-targets -- -D warnings
	CUSTOM_LIBFUZZER_PATH=not/linked/libfuzzer.a \
		cargo clippy --locked --manifest-path fuzz/Cargo.toml --target-dir target -- -D warnings
	# `make model` compiles with another configuration.
	RUSTFLAGS='--cfg shuttle' \
		cargo clippy --locked --no-default-features --lib --tests --target-dir target/model -- -D warnings
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/stubtest locust_cw._core
	# Without Node.js, there are no charts to check.
	if command -v npm >/dev/null; then cd web && npm run --silent check; fi

format: $(TOOLS) ## format Rust and Python
	cargo fmt
	cargo fmt --manifest-path fuzz/Cargo.toml
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

wheel: $(TOOLS) $(CHARTS) ## build, inspect, install and run the release wheel, in dist/
	rm -rf dist
	$(BIN)/maturin build --release --locked --out dist
	$(BIN)/python -m pip install --quiet --group wheel
	$(BIN)/python tests/check_wheel.py dist/*.whl

bench: wheel $(BUILT) ## measure overhead, accuracy and cost with the release build; takes 20 minutes after the build
	$(BIN)/python -m pip install --quiet --group bench
	rm -rf target/bench
	$(BIN)/python -m pip install --quiet --no-deps --target target/bench dist/*.whl
	cargo bench --locked --no-default-features --bench core
	cargo bench --locked --no-default-features --bench compare
	cargo bench --locked --no-default-features --features aws --bench delivery
	PYTHONPATH=$(CURDIR)/target/bench $(BIN)/python benches/table.py --wheel dist/*.whl

docs: $(BUILT) ## regenerate the reference pages from docstrings and help texts
	$(BIN)/python docs/make_reference.py

clean: ## delete the environment and all build results
	rm -rf $(VENV) target web/node_modules web/.built python/locust_cw/_webui/static fuzz/target fuzz/corpus dist python/locust_cw/*.so .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find python tests examples benches -name __pycache__ -prune -exec rm -rf {} +

$(TOOLS): pyproject.toml
	@test -n "$(PYTHON)" || { echo "locust-cw needs Python 3.11 or newer. Set PYTHON: make PYTHON=/path/to/python3" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --group build
	# Compile crates while pip installs packages. If this fails, the build that follows reports the error.
	$(BIN)/maturin develop --locked --quiet --skip-install >/dev/null 2>&1 & \
		$(BIN)/python -m pip install --quiet --group dev; result=$$?; wait; exit $$result
	@touch $@

# Without Node.js, the CloudWatch tab has tables and no charts.
$(CHARTS): $(CHART_SOURCES)
	@if command -v npm >/dev/null; then \
		cd web && npm ci --silent --ignore-scripts && npm run --silent build; \
	else \
		echo "npm is not installed: the CloudWatch tab has no charts" >&2; \
	fi
	@touch $@

# Python sources are used in place, so only a change in Rust needs a build.
$(BUILT): $(TOOLS) $(CHARTS) $(RUST_SOURCES)
	$(BIN)/maturin develop --locked --extras local
	@touch $@
