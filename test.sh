#!/usr/bin/env bash
# Runs the checks and the tests for every commit; `all` runs the others, too. Other arguments run only pytest with them, or
# the faults in their long form: ./test.sh --help
#
# tests/contract runs buf on schemas/ (lint, breaking changes, outdated generated code). tests/deploy runs shellcheck, hadolint
# and `docker compose config` on scripts and containers.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=scripts/arguments.sh
source scripts/arguments.sh
# shellcheck source=scripts/venv.sh
source scripts/venv.sh

usage() {
    cat <<'END'
Usage: ./test.sh
       ./test.sh all
       ./test.sh faults [PYTEST ARGUMENT…]
       ./test.sh cluster [PYTEST ARGUMENT…]
       ./test.sh PYTEST ARGUMENT…

  ./test.sh                      before each commit: all checks (format, lint, types, imports), then all tests except
                                 extended ones; 13 minutes on two cores
  ./test.sh all                  the same, then the benchmark's gate, then the extended tests; about an hour
  ./test.sh PATH… [OPTION…]      only pytest, with these arguments: ./test.sh tests/unit -k retry
  ./test.sh -m 'not bench and not e2e and not faults and not extended'
                                 tests that need no running Pulsar
  ./test.sh faults               the faults in their long form: at least 20,000 orders each; most of an hour
  ./test.sh cluster              faults on a cluster of many nodes, which it starts; needs 3 GB of memory, run by hand

The first run makes .venv/ with the locked packages. After that, .venv/bin/pytest --help lists pytest's own options.
Some tests of `all` need root, or docker-compose or chromium, which are not among the packages: run as root, test.sh installs
them by apt-get.
Tests whose requirements are missing are skipped by name.

Environment:
  ALPES_CLUSTER_RATE   orders a second of ./test.sh cluster (500)
  ALPES_CLUSTER_FAULTS the faults of ./test.sh cluster, separated by commas (all)
  ALPES_SEED           draw the faults from this seed; each run prints its own
  ALPES_REQUIRE_ALL    1: a skipped extended test counts as failed
  ALPES_KEEP_STACK     1: leave the tests' own stack running for the next run
  ALPES_E2E_USE_ENV    1: use the stack named by this shell's variables (eval "$(./deploy.sh env)")
  ALPES_PYTHON         the Python that makes .venv/ (the first on the PATH, or one that is much faster)

Exit codes: 0 when everything passes, 1 when a check fails, otherwise pytest's, which is 1 when a test fails.
END
}

# Runs a check and prints its result, with its output if it failed.
check() { # NAME COMMAND...
    local name=$1 output
    shift
    if output=$("$@" 2>&1 </dev/null); then
        case $output in
            skipped:*) printf 'skipped %s:%s\n' "$name" "${output#skipped:}" ;;
            *) printf 'ok      %s\n' "$name" ;;
        esac
    else
        printf 'FAILED  %s: %s\n%s\n' "$name" "$*" "$output"
        return 1
    fi
}

# The checks run in parallel: mypy takes most of the time.
static_checks() {
    local pid pids=() failed=no
    check "types" mypy &
    pids+=($!)
    check "ruff" ruff check &
    pids+=($!)
    check "format" ruff format --check &
    pids+=($!)
    check "imports" lint-imports --no-logo &
    pids+=($!)
    check "dependencies" requirements/check.sh &
    pids+=($!)
    check "vulnerabilities" python scripts/audit.py &
    pids+=($!)
    check "secrets" scripts/find_secrets.sh &
    pids+=($!)
    for pid in "${pids[@]}"; do
        wait "$pid" || failed=yes
    done
    if [ "$failed" = yes ]; then
        echo "No test was run: fix the failed checks first."
        return 1
    fi
}

# Programs that tests of `all` need and that are not among the packages. Debian's packages have the same names.
PROGRAMS=(docker-compose chromium)

install_programs() {
    local program missing=()
    for program in "${PROGRAMS[@]}"; do
        command -v "$program" >/dev/null || missing+=("$program")
    done
    # A PostgreSQL with TLS. Its own programs aren't on the PATH.
    command -v pg_lsclusters >/dev/null || missing+=(postgresql)
    if [ ${#missing[@]} -eq 0 ]; then
        return
    fi
    if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
        echo "Installing ${missing[*]} …"
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" \
            >/dev/null && return
    fi
    echo "Not installed: ${missing[*]}. Tests that need a missing program are skipped and say so."
}

# Runs the lanes of tests/lanes.py in parallel, in more processes than there are cores: many tests only wait.
in_parallel() { # PROCESSES PYTEST-ARGUMENT...
    local processes=$1
    shift
    pytest --numprocesses "$processes" --dist loadscope --no-loadscope-reorder "$@"
}

main() {
    if [ "${1:-}" = help ] || asks_for_help "$@"; then
        usage
        return
    fi
    venv_ensure dev
    # The environment may be another checkout's, too: what is installed in it leads there.
    export PATH=$VENV/bin:$PATH PYTHONPATH=$PWD:$PWD/runtime
    if [ "${1:-}" = faults ]; then
        shift
        ALPES_FAULTS=long exec pytest tests/faults "$@"
    fi
    if [ "${1:-}" = cluster ]; then
        shift
        exec pytest tests/cluster "$@"
    fi
    if [ $# -gt 0 ] && [ "$*" != all ]; then
        exec pytest "$@"
    fi
    static_checks
    # The first part that fails ends the run, so that pytest's summary is the last line.
    in_parallel 4 -m "not extended"
    if [ "${1:-}" = all ]; then
        install_programs </dev/null
        # Measurements run alone.
        pytest -m "extended and bench"
        # One process less: up to three stacks run then, and what is timed on them needs the processors.
        in_parallel 3 -m "extended and not bench"
    fi
}

main "$@"
