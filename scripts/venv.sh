# shellcheck shell=bash
# Sourced by deploy.sh and test.sh: a virtual environment with the locked packages, made once and kept current.
#
#   venv_ensure LAYER    LAYER is app (what deploy.sh needs) or dev (everything); sets VENV, the environment's folder
#
# A layer is current when .stamp-LAYER in the environment holds the SHA-256 of requirements/LAYER.txt. dev holds all of app.

venv_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VENV=${ALPES_VENV:-$venv_root/.venv}

venv_say() { printf '%s\n' "$*" >&2; }

# Where a Python may be. A name on the PATH proves nothing (pyenv's shims), so each is run.
venv_pythons=(python3 python3.13 python3.12 python3.11 python /usr/bin/python3)

venv_is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' </dev/null >/dev/null 2>&1; } # PYTHON

# Prints what ALPES_PYTHON names, which is obeyed, or the first Python that is new enough.
venv_find_python() {
    local candidate
    if [ -n "${ALPES_PYTHON:-}" ]; then
        if ! venv_is_new_enough "$ALPES_PYTHON"; then
            venv_say "ALPES_PYTHON names $ALPES_PYTHON, which is no Python 3.11 or later that runs. Name another, or unset it."
            return 1
        fi
        printf '%s\n' "$ALPES_PYTHON"
        return 0
    fi
    for candidate in "${venv_pythons[@]}"; do
        if venv_is_new_enough "$candidate"; then
            printf '%s\n' "$candidate"
            return 0
        fi
    done
    venv_say "Python 3.11 or later is needed and none was found. Install one, or name it: ALPES_PYTHON=/path/to/python3 $0"
    return 1
}

# Prints the executable behind a name, if an environment with pip can be made with it. CPython's alone: the locked packages
# have wheels for no other.
venv_executable() { # PYTHON
    "$1" -c 'import ensurepip, sys, venv
if sys.version_info < (3, 11) or sys.implementation.name != "cpython":
    sys.exit(1)
print(sys._base_executable)' </dev/null 2>/dev/null
}

# Prints the Python to make the environment with: what ALPES_PYTHON names, or the first that can, unless another is clearly
# quicker. Builds of one version differ by a third, and the functions with them.
venv_choose_python() {
    local candidate python file time first='' first_time=0 quickest='' quickest_time=0
    local -A seen=()
    if [ -n "${ALPES_PYTHON:-}" ]; then
        venv_find_python
        return
    fi
    for candidate in "${venv_pythons[@]}"; do
        python=$(venv_executable "$candidate") || continue
        file=$(readlink -f "$python") || continue
        [ -z "${seen[$file]:-}" ] || continue
        seen[$file]=yes
        time=$("$python" -IS "$venv_root/scripts/interpreter_speed.py" </dev/null 2>/dev/null) || continue
        [[ $time =~ ^[0-9]+$ ]] || continue
        if [ -z "$first" ]; then
            first=$python first_time=$time quickest=$python quickest_time=$time
        elif [ "$time" -lt "$quickest_time" ]; then
            quickest=$python quickest_time=$time
        fi
    done
    if [ -z "$first" ]; then
        # Where none will do, making the environment says why.
        venv_find_python
    elif [ $((quickest_time * 100)) -lt $((first_time * 85)) ]; then
        venv_say "The environment is made with $quickest, which takes $((100 - quickest_time * 100 / first_time)) % less time" \
            "than $first. ALPES_PYTHON=/path/to/python3 chooses another."
        printf '%s\n' "$quickest"
    else
        printf '%s\n' "$first"
    fi
}

venv_sha256() { "$VENV/bin/python" -c 'import hashlib, sys; print(hashlib.file_digest(open(sys.argv[1], "rb"), "sha256").hexdigest())' "$1"; }

venv_is_current() { # LAYER
    local stamp=$VENV/.stamp-$1
    [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(venv_sha256 "$venv_root/requirements/$1.txt")" ]
}

venv_ensure() { # LAYER
    local layer=$1 python started=$SECONDS
    if ! "$VENV/bin/python" -m pip --version </dev/null >/dev/null 2>&1; then
        python=$(venv_choose_python) || return 1
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
