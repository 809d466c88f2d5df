# shellcheck shell=bash
# Sourced by deploy.sh and test.sh: makes a virtual environment with the locked packages, and keeps it current.
#
#   venv_ensure LAYER    LAYER is app (what deploy.sh needs) or dev (everything); sets VENV, the environment's folder
#
# A layer is current when .stamp-LAYER in the environment holds the SHA-256 of requirements/LAYER.txt. dev includes app.

# Links are resolved, so that every path to the checkout leads to the same environment.
venv_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
VENV=${ALPES_VENV:-$venv_root/.venv}

venv_say() { printf '%s\n' "$*" >&2; }

# Where to look for a Python. A name on the PATH may not work (pyenv's shims), so each is run.
venv_pythons=(python3 python3.13 python3.12 python3.11 python /usr/bin/python3)

# Succeeds where a Python is new enough. One that does not run prints why, such as a missing shared library.
venv_is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' </dev/null 2>&1; } # PYTHON

# Prints the Python in ALPES_PYTHON, or else the first one that is new enough. Returns 2 where ALPES_PYTHON is wrong.
venv_find_python() {
    local candidate said broken=
    if [ -n "${ALPES_PYTHON:-}" ]; then
        if ! said=$(venv_is_new_enough "$ALPES_PYTHON"); then
            venv_say "ALPES_PYTHON is $ALPES_PYTHON, which is not a working Python 3.11 or later. Name another, or unset it." \
                "${said##*$'\n'}"
            return 2
        fi
        printf '%s\n' "$ALPES_PYTHON"
        return 0
    fi
    for candidate in "${venv_pythons[@]}"; do
        if said=$(venv_is_new_enough "$candidate"); then
            printf '%s\n' "$candidate"
            return 0
        fi
        case $said in
            *"shared librar"*) broken=" ($said)" ;;
        esac
    done
    venv_say "Python 3.11 or later is needed and none was found$broken. Install one, or name it: ALPES_PYTHON=/path/to/python3 $0"
    return 1
}

# Prints the executable behind a name, if it can make an environment with pip. Only CPython counts: the locked packages have
# wheels for no other.
venv_executable() { # PYTHON
    "$1" -c 'import ensurepip, sys, venv
if sys.version_info < (3, 11) or sys.implementation.name != "cpython":
    sys.exit(1)
print(sys._base_executable)' </dev/null 2>/dev/null
}

# Prints the Python to make the environment with: the one in ALPES_PYTHON, or the first suitable one, unless another is much
# faster. Builds of one version differ by a third, and so do functions that run on them.
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
        # No Python is suitable: making the environment with any one reports the cause.
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

# Succeeds where the environment was moved: its programs contain the path of their Python.
venv_has_moved() { [ -f "$VENV/bin/pip" ] && ! grep -qF "$VENV/bin/python" "$VENV/bin/pip"; }

# Prints the cause of a failure of pip in one line.
venv_pip_cause() { # OUTPUT
    local proxy=${HTTPS_PROXY:-${https_proxy:-${ALL_PROXY:-${all_proxy:-}}}}
    case $1 in
        *"No space left on device"* | *"Disk quota exceeded"*) echo "the disk is full." ;;
        *"DO NOT MATCH THE HASHES"*) echo "a package differs from the locked one. Try again; if this repeats, don't use it." ;;
        *ProxyError*) echo "the proxy ${proxy:-of pip} can't be reached. Correct HTTPS_PROXY, or unset it." ;;
        *CERTIFICATE_VERIFY_FAILED* | *SSLError* | *"TLS CA certificate bundle"*)
            echo "this machine does not trust the authority that signed the package index's certificate, which may be a" \
                "proxy's. Name the authority's certificate file with PIP_CERT." ;;
        *NewConnectionError* | *NameResolutionError* | *"timed out"* | *ConnectTimeout* | *"Connection aborted"* | *"unreachable"*)
            echo "no connection to the package index. Check the network; behind a proxy, name it with HTTPS_PROXY." ;;
        *"ERROR: Exception:"*) echo "${1##*$'\n'}" ;;
        *) grep -m 1 '^ERROR: ' <<<"$1" || echo "${1##*$'\n'}" ;;
    esac
}

# Runs pip quietly. A failure is reported in one line; pip.log in the environment has pip's whole output.
venv_pip_install() { # ARGUMENT...
    local output
    if ! output=$("$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --retries 2 "$@" </dev/null 2>&1); then
        printf '%s\n' "$output" >"$VENV/pip.log"
        venv_say "The packages could not be installed: $(venv_pip_cause "$output") pip's whole output is in $VENV/pip.log."
        return 1
    fi
}

# pip is installed by a separate command, since venv does not report why installing it failed.
venv_make() { # PYTHON
    "$1" -m venv --clear --without-pip "$VENV" && "$VENV/bin/python" -Im ensurepip --upgrade --default-pip
}

# Prints the cause of a failure to make the environment.
venv_make_cause() { # OUTPUT
    case $1 in
        *"No space left on device"* | *"Disk quota exceeded"*) echo "the disk is full." ;;
        *"No module named"*ensurepip* | *"ensurepip is not"*)
            echo "it has no ensurepip. On Debian and Ubuntu: apt-get install python3-venv" ;;
        *) echo "${1##*$'\n'}" ;;
    esac
}

# Succeeds where packages can be installed into the environment.
venv_is_sound() { "$VENV/bin/python" -m pip --version </dev/null >/dev/null 2>&1 && ! venv_has_moved; }

# Succeeds where the environment is complete.
venv_is_ready() { # LAYER
    venv_is_sound && { venv_is_current "$1" || { [ "$1" = app ] && venv_is_current dev; }; }
}

# Waits until no other run changes the environment; a killed script may leave its pip running. The lock is on the open folder,
# file descriptor 9, which child processes inherit. The lock ends with the last of them.
venv_lock() { # PYTHON
    "$1" -c 'import contextlib, fcntl, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
with contextlib.suppress(OSError):
    try:
        fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("Waiting for another run that installs packages …", file=sys.stderr, flush=True)
        fcntl.flock(9, fcntl.LOCK_EX)' </dev/null
}

venv_install() { # LAYER
    local layer=$1 python output started=$SECONDS
    if ! venv_is_sound; then
        venv_say "Making the environment $VENV …"
        python=$(venv_choose_python) || return
        if ! output=$(venv_make "$python" </dev/null 2>&1); then
            venv_say "No virtual environment could be made in $VENV with $python: $(venv_make_cause "$output")"
            return 1
        fi
    fi
    venv_say "Installing the packages of requirements/$layer.txt into $VENV …"
    venv_pip_install --require-hashes -r "$venv_root/requirements/$layer.txt" || return 1
    # Install the project itself, for its name and version; setuptools is among the locked packages. pip can't replace a link
    # into a checkout that is gone.
    rm -f "$VENV/bin/alpes"
    venv_pip_install --no-deps --no-build-isolation --no-index --editable "$venv_root/runtime" \
        --editable "$venv_root" || return 1
    # pip's own launchers contain an absolute path, and break when the checkout moves. This link does not.
    case $VENV in
        "$venv_root/.venv") ln -sfn ../../alpes "$VENV/bin/alpes" ;;
        *) ln -sfn "$venv_root/alpes" "$VENV/bin/alpes" ;;
    esac
    venv_sha256 "$venv_root/requirements/$layer.txt" >"$VENV/.stamp-$layer"
    venv_say "Packages installed in $((SECONDS - started)) s."
}

venv_ensure() { # LAYER
    local python output
    if venv_is_ready "$1"; then
        return
    fi
    python=$(venv_find_python) || return
    if ! output=$(mkdir -p "$VENV" 2>&1); then
        venv_say "No virtual environment could be made: $output"
        return 1
    fi
    {
        venv_lock "$python"
        # Don't use ||, which would turn off errexit in venv_install.
        if ! venv_is_ready "$1"; then
            venv_install "$1"
        fi
    } 9<"$VENV"
}
