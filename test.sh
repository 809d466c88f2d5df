#!/usr/bin/env bash
# Passes every check and test. With arguments it only runs pytest with them, or the faults in their long form: ./test.sh --help
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
Usage: ./test.sh [PYTEST ARGUMENT…]
       ./test.sh faults [PYTEST ARGUMENT…]

  ./test.sh                      every check (format, lint, types, imports), then every test; about 45 minutes
  ./test.sh PATH… [OPTION…]      pytest alone, with these: ./test.sh tests/unit -k retry
  ./test.sh -m 'not bench and not e2e and not faults'
                                 what needs no running Pulsar
  ./test.sh faults               the faults in their long form: at least 20,000 orders each; most of an hour

The first run makes .venv/ with the locked packages. Then .venv/bin/pytest --help lists pytest's own options.

Environment:
  ALPES_SEED           draw the faults from this seed, which a run prints
  ALPES_KEEP_STACK     1: the stack of the tests' own stays up for the next run
  ALPES_E2E_USE_ENV    1: use the stack that this shell's variables name (eval "$(./deploy.sh env)")
  ALPES_PYTHON         the Python that .venv/ is made with (the first on the PATH, or one that is clearly quicker)

Exit codes: 0 when everything passes, 1 when a check or a test fails; with arguments, and of the tests, pytest's.
END
}

failed=()

check() { # NAME COMMAND...
    local name=$1 output
    shift
    if output=$("$@" 2>&1 </dev/null); then
        printf 'ok      %s\n' "$name"
    else
        printf 'FAILED  %s: %s\n%s\n' "$name" "$*" "$output"
        failed+=("$name")
    fi
}

static_checks() {
    check "ruff" ruff check
    check "format" ruff format --check
    check "types" mypy
    check "imports" lint-imports --no-logo
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
    if [ $# -gt 0 ]; then
        exec pytest "$@"
    fi
    static_checks
    if [ ${#failed[@]} -gt 0 ]; then
        printf 'No test was run: first mend %s.\n' "${failed[*]}"
        exit 1
    fi
    exec pytest
}

main "$@"
