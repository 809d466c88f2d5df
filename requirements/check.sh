#!/usr/bin/env bash
# Checks that what each part of the code imports is declared in its .in file, and not there by chance because another package
# brings it.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
deptry=.venv/bin/deptry
[ -x "$deptry" ] || deptry=deptry

check() { # NAME[,NAME] FOLDER...
    local files=requirements/${1//,/.in,requirements/}.in
    shift
    "$deptry" --no-ansi --config requirements/deptry.toml --requirements-files "$files" "$@"
}

failed=no
check runtime,reports functions runtime schemas || failed=yes
check client api autoscale client operations connection terminal || failed=yes
check app local_stack deployment docker scripts || failed=yes
check dev bench tests || failed=yes
[ "$failed" = no ]
