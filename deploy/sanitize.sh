#!/usr/bin/env bash
# Builds and runs tests under a sanitizer.
#
#   deploy/sanitize.sh asan [jobs]   every test but the interoperability ones (foreign clients)
#   deploy/sanitize.sh tsan [jobs]   the tests labelled threads, and only their programs are built
set -euo pipefail
cd "$(dirname "$0")/.."

kind=$1
jobs=${2:-$(nproc)}
build=build/$kind
cmake --preset "$kind"

export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1
export UBSAN_OPTIONS=print_stacktrace=1
export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1

case $kind in
  asan)
    cmake --build "$build" -j "$jobs"
    ctest --test-dir "$build" --output-on-failure --no-tests=error -j 2 -LE interop
    ;;
  tsan)
    # A test's name is its target's name.
    mapfile -t targets < <(ctest --test-dir "$build" -N -L threads |
      sed -n 's/^ *Test *#[0-9]*: \([A-Za-z0-9_]*\).*/\1/p')
    if [ ${#targets[@]} -eq 0 ]; then
      echo "sanitize: no test is labelled threads" >&2
      exit 1
    fi
    cmake --build "$build" -j "$jobs" --target "${targets[@]}"
    ctest --test-dir "$build" --output-on-failure --no-tests=error -j 2 -L threads
    ;;
  *)
    echo "sanitize: unknown kind '$kind'; asan or tsan" >&2
    exit 2
    ;;
esac
