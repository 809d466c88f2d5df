#!/usr/bin/env bash
# Passes every check and test. With arguments it only runs pytest with them: ./test.sh tests/unit -k retry
#
# ./test.sh faults [PYTEST ARGUMENT…] runs the faults in their long form: at least 20,000 orders each, most of an hour.
#
# Among the tests: what buf says of schemas/ (lint, breaking changes, generated code that is not current), in tests/contract,
# and what shellcheck, hadolint and `docker compose config` say of scripts and containers, in tests/deploy.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=scripts/venv.sh
source scripts/venv.sh

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
