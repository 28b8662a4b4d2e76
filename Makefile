# Every command a person or the CI types. Each stands alone on a fresh Debian 12 with make and git.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

JOBS ?= $(shell nproc)
# make run: how long (seconds; empty = until Ctrl-C), which recorded market (empty = a generated
# one), how fast to replay it.
DURATION ?=
CAPTURE ?=
SPEED ?= 1
# make test and make bench: where recorded captures lie; tests that need them say so without them.
export HOLDFAST_CAPTURES ?= $(abspath ../shared/data/captures)

.PHONY: help run test crash-campaign bench bench-durable asan tsan format clean bootstrap build

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

bootstrap: ## Install missing Debian packages (every other command does it too)
	@deploy/bootstrap.sh

build: bootstrap ## Build everything in Release
	@cmake --preset release
	@cmake --build build/release -j $(JOBS)

run: bootstrap ## Quote on the simulated venue; [DURATION=30] [CAPTURE=file.gz] [SPEED=10]
	@cmake --preset release
	@cmake --build build/release -j $(JOBS) --target holdfast holdfast-venue
	@DURATION='$(DURATION)' CAPTURE='$(CAPTURE)' SPEED='$(SPEED)' \
	  exec deploy/run.sh build/release/apps

test: build ## Build and run all tests
	@ctest --test-dir build/release --output-on-failure --no-tests=error -j 2

crash-campaign: bootstrap ## The durable runtime: 200 kills and more; [KILLS=1000] [SEED=7]
	@cmake --preset release
	@cmake --build build/release -j $(JOBS) --target fault_durable_crash_test
	@HOLDFAST_CRASH_LIVE=1 HOLDFAST_CRASH_KILLS=$(or $(KILLS),200) \
	  $(if $(SEED),HOLDFAST_TEST_SEED=$(SEED)) \
	  build/release/tests/fault/fault_durable_crash_test

bench: bootstrap ## Benchmarks: percentiles, and ratios within one run
	@cmake --preset release
	@cmake --build build/release -j $(JOBS) --target tests/benchmark/all
	@cd build/release/tests/benchmark; \
	  for benchmark in $$(find . -maxdepth 1 -type f -executable -printf '%f\n' | sort); do \
	  echo "== $$benchmark"; ./$$benchmark; done

bench-durable: bootstrap ## The durable runtime beside DBOS for TypeScript, on one PostgreSQL
	@cmake --preset release
	@cmake --build build/release -j $(JOBS) --target holdfast_durable_bench
	@cd tests/benchmark/durable && npm ci --silent --no-audit --no-fund
	@node tests/benchmark/durable/run.mjs build/release/durable_bench/holdfast_durable_bench

asan: bootstrap ## All tests under AddressSanitizer and UBSan
	@deploy/sanitize.sh asan $(JOBS)

tsan: bootstrap ## The tests labelled threads under ThreadSanitizer
	@deploy/sanitize.sh tsan $(JOBS)

format: ## Format all C++ in place
	@deploy/bootstrap.sh clang-format
	@git ls-files -z '*.h' '*.cc' | xargs -0 clang-format -i

clean: ## Remove build folders (var/, the service's state, stays)
	@rm -rf build
