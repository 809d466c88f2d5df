#!/usr/bin/env bash
# Passes the checks and the tests that belong to every commit; `all` passes the rest, too. With other arguments it only runs
# pytest with them, or the faults in their long form: ./test.sh --help
#
# Among the tests: what buf says of schemas/ (lint, breaking changes, generated code that is not current), in tests/contract,
# and what shellcheck, hadolint and `docker compose config` say of scripts and containers, in tests/deploy.
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
       ./test.sh PYTEST ARGUMENT…

  ./test.sh                      before each commit: every check (format, lint, types, imports), then every test that is not
                                 marked as extended; 8 minutes on two cores
  ./test.sh all                  the same, then the benchmark's gate, then the extended tests; 36 minutes
  ./test.sh PATH… [OPTION…]      pytest alone, with these: ./test.sh tests/unit -k retry
  ./test.sh -m 'not bench and not e2e and not faults and not extended'
                                 what needs no running Pulsar
  ./test.sh faults               the faults in their long form: at least 20,000 orders each; most of an hour

The first run makes .venv/ with the locked packages. Then .venv/bin/pytest --help lists pytest's own options.
Some tests of `all` need root, or a program that no package of ours brings (docker-compose): root has it installed by apt-get.
Where it can't be had, those tests are skipped by name.

Environment:
  ALPES_SEED           draw the faults from this seed, which a run prints
  ALPES_REQUIRE_ALL    1: an extended test that is skipped has failed
  ALPES_KEEP_STACK     1: the stack of the tests' own stays up for the next run
  ALPES_E2E_USE_ENV    1: use the stack that this shell's variables name (eval "$(./deploy.sh env)")
  ALPES_PYTHON         the Python that .venv/ is made with (the first on the PATH, or one that is clearly quicker)

Exit codes: 0 when everything passes, 1 when a check fails, otherwise pytest's, which is 1 when a test fails.
END
}

# Says what became of a check, and what it said if it failed.
check() { # NAME COMMAND...
    local name=$1 output
    shift
    if output=$("$@" 2>&1 </dev/null); then
        printf 'ok      %s\n' "$name"
    else
        printf 'FAILED  %s: %s\n%s\n' "$name" "$*" "$output"
        return 1
    fi
}

# Side by side: reading the types takes most of the time.
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
    for pid in "${pids[@]}"; do
        wait "$pid" || failed=yes
    done
    if [ "$failed" = yes ]; then
        echo "No test was run: first mend what failed."
        return 1
    fi
}

# What tests of `all` need and no package of ours brings. Debian's packages are called as their programs.
PROGRAMS=(docker-compose)

install_programs() {
    local program missing=()
    for program in "${PROGRAMS[@]}"; do
        command -v "$program" >/dev/null || missing+=("$program")
    done
    if [ ${#missing[@]} -eq 0 ]; then
        return
    fi
    if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
        echo "Installing ${missing[*]} …"
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" \
            >/dev/null && return
    fi
    echo "Not installed: ${missing[*]}. The tests that need what is missing say so."
}

# Lane by lane (tests/lanes.py), in more processes than there are cores: many tests wait for something, and so does their lane.
side_by_side() { # PYTEST ARGUMENT...
    pytest --numprocesses 4 --dist loadscope --no-loadscope-reorder "$@"
}

main() {
    if [ "${1:-}" = help ] || asks_for_help "$@"; then
        usage
        return
    fi
    venv_ensure dev
    export PATH=$VENV/bin:$PATH
    if [ "${1:-}" = faults ]; then
        shift
        ALPES_FAULTS=long exec pytest tests/faults "$@"
    fi
    if [ $# -gt 0 ] && [ "$*" != all ]; then
        exec pytest "$@"
    fi
    static_checks
    # The first part that fails is the last that runs, and pytest's own line the last one that is printed.
    side_by_side -m "not extended"
    if [ "${1:-}" = all ]; then
        install_programs </dev/null
        # What is measured runs alone.
        pytest -m "extended and bench"
        side_by_side -m "extended and not bench"
    fi
}

main "$@"
