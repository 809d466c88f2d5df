#!/usr/bin/env bash
# Starts and deploys the whole system and sends orders, or does one of these steps: ./deploy.sh --help
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=scripts/arguments.sh
source scripts/arguments.sh
# shellcheck source=scripts/venv.sh
source scripts/venv.sh

ORDERS=${ALPES_ORDERS:-100}
MOST_ORDERS=2000000 # of alpes send
COMMANDS=(up plan deploy status env scale logs kill package manifests prepare down destroy)
WRONG_USAGE=2
WORK=

# Prints the value of a key (top level or userConfig) in each file of function-configs/
configured() { # KEY    its value may be quoted, and a comment may follow
    sed -nE "s/^ *[\"']?$1[\"']? *: *(\"([^\"]*)\"|'([^']*)'|([^\"'# ][^ ]*)) *( #.*)?\$/\2\3\4/p" function-configs/*.yaml
}

usage() {
    cat <<END
Usage: ./deploy.sh [COMMAND]

Without a command: start what does not run, deploy what changed, send 100 orders, follow them to their end and show
the report.

  up [--secure]       start Pulsar, PostgreSQL and the HTTP API on this machine, or what of them is not running;
                      --secure makes a stack with TLS, tokens and roles (docs/security.md), and it stays one
  prepare             make tenant and namespace, and let each role do what it needs, on a cluster with roles
                      (docs/security.md); on this machine, up does it
  plan [FUNCTION…] [--without-functions | --self-contained]
                      show what deploy would change, field by field, with what somebody changed by hand, and change
                      nothing; exit code 3 when there is something to deploy
  deploy [FUNCTION…] [--allow-breaking WHY [--yes]] [--without-functions | --self-contained]
                      update topics, tables and functions (all, or those named) to this checkout; refuse to break a
                      topic's contract, unless allowed: then ask (unless --yes), and record who and WHY;
                      --without-functions: only what they need; --self-contained: as package, below
  status [--json]     show the stack, each function's instances, processes and restarts, and their backlogs;
                      exit code 3 when a part is not running or makes no progress
  package [FUNCTION…] [--self-contained] [--output DIR]
                      write the functions' zips to build/; with --self-contained to build/self-contained/, with the
                      packages that they import, for workers that nobody may prepare (--python, --platform: theirs)
  manifests [DIR]     write what Kubernetes needs to run the functions: docs/kubernetes.md
  env                 print export lines for a shell: eval "\$(./deploy.sh env)"
  scale FUNCTION N    run N instances of a function
  logs [FUNCTION] [-f] [--tail N] [--all]
                      show the logs of all functions, or of one: the last N lines of each instance (100); -f follows
                      them; --all includes Pulsar's own lines at each start and end
  kill FUNCTION       kill (SIGKILL) one instance of a function of the local stack, to see that nothing is lost
  down                stop everything; keep the data
  destroy             stop everything and remove the data; ask first, unless --yes is given
  --version           print the version

Functions: $(configured name | paste -sd ' ').

Environment:
  ALPES_HOME          data, logs and secrets of the local stack (.alpes)
  ALPES_CACHE         downloads (~/.cache/alpes)
  ALPES_PORT_OFFSET   added to every port (chosen at the first start: 0, or the first one with free ports)
  ALPES_ORDERS        how many orders a run without a command sends, 1 to 2000000 (100)
  ALPES_POSTGRES_BIN  the programs of a PostgreSQL with TLS, for up --secure (Debian's)
  ALPES_PYTHON        the Python that makes .venv/ (the first on the PATH, or one that is much faster)

With PULSAR_SERVICE_URL, PULSAR_ADMIN_URL and the address of each function's database set
($(configured dsn_env | paste -sd ' ')),
this deploys to that cluster and starts nothing. A probe function first checks the cluster's workers. PULSAR_ADMIN then
names the executable pulsar-admin.

Exit codes: 0 done, 1 failed, refused or found something wrong, 2 wrong usage or no answer, 3 a part is not running or
makes no progress (status), or there is something to deploy (plan), 130 interrupted. docs/command-line.md has the table.
END
}

say() { printf '%s\n' "$*" >&2; }

python() { PYTHONPATH=$PWD/runtime "$VENV/bin/python" "$@"; }

# `local` or `cluster`, by the environment. main sets it once, since finding out starts a Python.
PLACE=

start_stack() {
    if [ "$PLACE" = cluster ]; then
        say "PULSAR_SERVICE_URL is $PULSAR_SERVICE_URL: nothing is started here (unset it and the DSNs for a stack on this machine)."
    else
        python -m local_stack up "$@"
        [ ! -d "${ALPES_HOME:-.alpes}/secrets" ] || python -m deployment prepare
    fi
}

# Replaces the local stack's HTTP API if its code has changed. A cluster's is started with `alpes serve`.
update_api() {
    [ "$PLACE" = cluster ] || python -m local_stack api
}

# Sets the variables that clients of Pulsar need. For a cluster they are set already.
load_environment() {
    local lines
    if [ "$PLACE" = local ]; then
        lines=$(python -m local_stack env)
        eval "$lines"
    fi
}

command_env() {
    if [ "$PLACE" = local ]; then
        python -m local_stack env
        return
    fi
    local name
    for name in $(compgen -e PULSAR_) $(configured dsn_env); do
        [ -z "${!name:-}" ] || printf 'export %s=%q\n' "$name" "${!name}"
    done
}

# Fails for a cluster: only what `up` started may be stopped.
require_local() { # COMMAND
    if [ "$PLACE" = cluster ]; then
        say "$1 is only for the local stack, and the environment names a cluster ($PULSAR_SERVICE_URL): nothing was done."
        return "$WRONG_USAGE"
    fi
}

# Reports what would prevent a start on this machine, before anything is installed.
check_machine() { # FOLDER...    folders in the checkout that will be written to
    local python=$VENV/bin/python
    [ -z "${PULSAR_SERVICE_URL:-}" ] || return 0
    venv_is_current app || venv_is_current dev || set -- "$VENV" "$@"
    venv_is_new_enough "$python" >/dev/null || python=$(venv_find_python) || return
    "$python" -m local_stack.precheck "$@"
}

# Checks ALPES_ORDERS before anything is started.
require_orders() {
    if ! [[ $ORDERS =~ ^[1-9][0-9]{0,6}$ ]] || [ "$ORDERS" -gt "$MOST_ORDERS" ]; then
        say "ALPES_ORDERS is '$ORDERS'; it must be a whole number from 1 to $MOST_ORDERS."
        return "$WRONG_USAGE"
    fi
}

show_report() { # FILE
    local file=$1 rows
    python -m client report --format csv --output "$file" >&2
    rows=$(($(wc -l <"$file") - 1))
    printf '\nThe report has %d orders (%s). Its first lines:\n' "$rows" "$file"
    head -n 6 "$file"
}

show_times() { # DEPLOYED SENT STARTED
    python - "$@" <<'END'
import json, sys, time

deployed, sent = (json.load(open(file)) for file in sys.argv[1:3])
started = float(sys.argv[3])
finished = sent.get("first_finished_at_ms")
created = deployed["started_at_ms"]
since, what = (created, "creating the functions") if created else (sent.get("started_at_ms"), "sending the first order")
print()
if finished and since:
    print(f"From {what} to the first finished order: {(finished - since) / 1000:.1f} s")
print(f"In total: {time.time() - started:.1f} s")
END
}

show_next() { # FILE
    local order stats page="" here=""
    order=$(sed -n '2s/,.*//p' "$1")
    # The instances of a cluster and their logs are on its workers.
    stats=$PULSAR_ADMIN_URL/admin/v3/functions/$(configured tenant | sort -u)/$(configured namespace | sort -u)/ordenes/stats
    if [ "$PLACE" = local ]; then
        page="
  $ALPES_API_URL    the live page: what happens now; place an order, and follow it"
        here="
  ./deploy.sh kill pagos                                then send more: nothing is lost
  ./deploy.sh logs -f                                   follow the functions' logs
  ./deploy.sh down                                      stop everything; keep the data"
    fi
    cat <<END

What to try next:
  ./alpes show $order
  ./alpes trace $order    its path through topics and tables
  ./alpes reconcile                                     whether any order is lost
  ./alpes send --orders 20000                           as fast as possible
  ./deploy.sh status                                    instances and their backlogs$here

To open in a browser:$page
  $stats
./deploy.sh env prints the addresses of Pulsar, of the databases and of the HTTP API.
END
}

# Cleans up. The reader of a pipe may close it early, as head does: that is not a failure.
at_exit() {
    local code=$?
    [ -z "$WORK" ] || rm -rf "$WORK"
    [ "$code" -ne 141 ] || code=0
    exit "$code"
}

run_everything() {
    local started=$1 code=0
    WORK=$(mktemp -d)
    start_stack
    python -m deployment deploy --summary-json "$WORK/deployed.json"
    load_environment
    python -m client send --orders "$ORDERS" --summary-json "$WORK/sent.json" || code=$?
    if [ "$code" -ne 0 ]; then
        say "Not every order was accounted for; ./alpes doctor and ./deploy.sh logs show more."
        return "$code"
    fi
    mkdir -p build
    show_report build/reporte.csv
    show_times "$WORK/deployed.json" "$WORK/sent.json" "$started"
    show_next build/reporte.csv
}

unknown_command() {
    # Python finds the nearest command. Without a Python, the list of commands is shown.
    local near
    near=$("$(venv_find_python 2>/dev/null || echo false)" -c \
        'import difflib, sys; print(*difflib.get_close_matches(sys.argv[1], sys.argv[2:], 1, 0.5))' \
        "$1" "${COMMANDS[@]}" 2>/dev/null || true)
    if [ -n "$near" ]; then
        say "There is no command '$1'. Did you mean '$near'?"
    else
        say "There is no command '$1'. There are: ${COMMANDS[*]}. See ./deploy.sh --help"
    fi
    return "$WRONG_USAGE"
}

takes() { # COMMAND LEAST MOST USAGE ARGUMENT...
    local command=$1 least=$2 most=$3 text=$4
    shift 4
    if [ $# -lt "$least" ] || [ $# -gt "$most" ]; then
        say "Usage: ./deploy.sh $command${text:+ $text}"
        return "$WRONG_USAGE"
    fi
}

main() {
    local started command=${1:-}
    trap at_exit EXIT
    trap 'exit 0' PIPE
    started=$(date +%s)
    if [ "$command" = help ] || asks_for_help "$@"; then
        usage
        return
    fi
    if [ "$command" = --version ]; then
        sed -n 's/^version = "\(.*\)"$/alpes \1/p' pyproject.toml
        return
    fi
    [ $# -eq 0 ] || shift
    case $command in
        "")
            require_orders
            check_machine build
            ;;
        plan | deploy | logs | package | manifests) ;;
        up)
            [ "$*" = --secure ] || takes up 0 0 "[--secure]" "$@"
            check_machine
            ;;
        prepare) takes prepare 0 0 "" "$@" ;;
        env | down) takes "$command" 0 0 "" "$@" ;;
        status) takes status 0 1 "[--json]" "$@" ;;
        scale) takes scale 2 2 "FUNCTION N" "$@" ;;
        kill) takes kill 1 1 "FUNCTION" "$@" ;;
        destroy) takes destroy 0 1 "[--yes]" "$@" ;;
        *) unknown_command "$command" ;;
    esac
    venv_ensure app
    # `where` would refuse a cluster without databases. To prepare one takes none.
    [ "$command" = prepare ] || PLACE=$(python -m deployment where)
    case $command in
        "") run_everything "$started" ;;
        up) start_stack "$@" ;;
        prepare) python -m deployment prepare ;;
        deploy)
            python -m deployment deploy "$@"
            update_api
            ;;
        plan | status | scale | logs | kill | package | manifests) python -m deployment "$command" "$@" ;;
        env) command_env ;;
        down | destroy)
            require_local "$command"
            python -m local_stack "$command" "$@"
            ;;
    esac
}

main "$@"
