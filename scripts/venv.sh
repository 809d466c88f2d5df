# shellcheck shell=bash
# Sourced by deploy.sh and test.sh: a virtual environment with the locked packages, made once and kept current.
#
#   venv_ensure LAYER    LAYER is app (what deploy.sh needs) or dev (everything); sets VENV, the environment's folder
#
# A layer is current when .stamp-LAYER in the environment holds the SHA-256 of requirements/LAYER.txt. dev holds all of app.

venv_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VENV=${ALPES_VENV:-$venv_root/.venv}

venv_say() { printf '%s\n' "$*" >&2; }

# Prints the first Python that is new enough. A name on the PATH proves nothing (pyenv's shims), so each one is run.
venv_find_python() {
    local candidate
    for candidate in ${ALPES_PYTHON:-} python3 python3.13 python3.12 python3.11 python; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' </dev/null >/dev/null 2>&1; then
            printf '%s\n' "$candidate"
            return 0
        fi
    done
    venv_say "Python 3.11 or later is needed and none was found. Install one, or name it: ALPES_PYTHON=/path/to/python3 $0"
    return 1
}

venv_sha256() { "$VENV/bin/python" -c 'import hashlib, sys; print(hashlib.file_digest(open(sys.argv[1], "rb"), "sha256").hexdigest())' "$1"; }

venv_is_current() { # LAYER
    local stamp=$VENV/.stamp-$1
    [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(venv_sha256 "$venv_root/requirements/$1.txt")" ]
}

venv_ensure() { # LAYER
    local layer=$1 python started=$SECONDS
    if ! "$VENV/bin/python" -m pip --version </dev/null >/dev/null 2>&1; then
        python=$(venv_find_python) || return 1
        if ! "$python" -m venv --clear "$VENV" >&2; then
            venv_say "No virtual environment could be made in $VENV with $python (Debian and Ubuntu: apt-get install python3-venv)."
            return 1
        fi
    fi
    if venv_is_current "$layer" || { [ "$layer" = app ] && venv_is_current dev; }; then
        return 0
    fi
    venv_say "Installing the packages of requirements/$layer.txt into $VENV …"
    if ! "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes \
        -r "$venv_root/requirements/$layer.txt" </dev/null >&2; then
        venv_say "The packages could not be installed: pip's own message is above. Is there a network, and room on the disk?"
        return 1
    fi
    # The project itself, for the command `alpes`; setuptools is among the locked packages.
    if ! "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index \
        --editable "$venv_root" </dev/null >&2; then
        venv_say "The command alpes could not be installed: pip's own message is above."
        return 1
    fi
    venv_sha256 "$venv_root/requirements/$layer.txt" >"$VENV/.stamp-$layer"
    venv_say "Packages installed in $((SECONDS - started)) s."
}
