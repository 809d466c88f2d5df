#!/usr/bin/env bash
# Writes the lock files runtime.txt, reports.txt, client.txt, app.txt and dev.txt from the .in files, all from one resolution for
# Python 3.11 and later.
# Locked versions are kept; `requirements/lock.sh --upgrade` takes newer ones, `--upgrade-package NAME` that of one package.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")"
uv=../.venv/bin/uv
[ -x "$uv" ] || uv=uv

lock() { # NAME [OPTION...]
    local name=$1
    shift
    "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --custom-compile-command requirements/lock.sh --output-file "$name.txt" "$@" "$name.in"
}

lock dev "$@"
lock app "$@" --constraint dev.txt
lock client "$@" --constraint dev.txt
lock reports "$@" --constraint dev.txt
lock runtime "$@" --constraint dev.txt
