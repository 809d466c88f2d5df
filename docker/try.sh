#!/usr/bin/env bash
# Runs docker-compose.yml, as it is, in an engine of its own, and takes everything away again: docker/try.sh --help
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/arguments.sh
source scripts/arguments.sh
# shellcheck source=scripts/venv.sh
source scripts/venv.sh
# shellcheck source=docker/stand-ins.sh
source docker/stand-ins.sh

WORK=${ALPES_TRY_DIR:-/var/tmp/alpes-containers}
LIMIT_S=${ALPES_TRY_LIMIT_S:-2400}
NEEDED_MB=8000
ORDERS=1000
IMAGES=(alpes-worker alpes-deploy alpes-client alpes-runner)
PACKAGES=(docker.io docker-compose debootstrap curl)
PROGRAMS=(dockerd docker-compose debootstrap curl)
COMPOSE=
STEP=
# Another engine's bridge, which stays.
HAD_BRIDGE=$(ls -d /sys/class/net/docker0 2>/dev/null || true)

usage() {
    cat <<END
Usage: docker/try.sh [--pull]

Starts a container engine of its own (its folder is $WORK), builds the images, and runs docker-compose.yml
with it: up, $ORDERS orders, alpes reconcile, a restart of each container, down and up with the data kept. The same again
with docker-compose.secure.yml. Then it stops the engine and removes all of it. It needs root, $NEEDED_MB MB of disk, and 10
to 25 minutes.

  --pull    pull the base images. Without it, stand-ins are made from Debian's packages and Pulsar's distribution,
            under the same names: for machines that reach no registry of images

Missing programs (${PROGRAMS[*]}) are installed by apt-get.

Environment:
  ALPES_TRY_DIR        the engine's folder ($WORK)
  ALPES_TRY_LIMIT_S    the longest time in seconds, after which everything is stopped ($LIMIT_S)
  HTTP_PROXY, HTTPS_PROXY, NO_PROXY    are handed to the builds

Exit codes: 0 everything held, 1 something didn't or took too long, 2 it could not begin.
END
}

say() { printf '%s\n' "$*" >&2; }

# Runs a step, and prints how long it took; its output is shown if it fails.
step() { # WHAT COMMAND...
    local what=$1 started=$SECONDS
    shift
    # In the background, so that a signal ends the wait at once, and in a process group of its own, which can be ended whole.
    set -m
    "$@" >"$WORK/step.log" 2>&1 </dev/null &
    set +m
    STEP=$!
    if ! wait "$STEP"; then
        printf 'FAILED  %s: %s\n' "$what" "$*"
        tail -n 40 "$WORK/step.log"
        # What ended badly said why.
        docker ps --all --quiet --filter status=exited 2>/dev/null | xargs --no-run-if-empty --max-args 1 docker logs --tail 15 2>&1
        return 1
    fi
    STEP=
    printf 'ok %4d s  %s\n' "$((SECONDS - started))" "$what"
}

# As a user would: compose finds its files by itself, or by .env.
compose() { (cd "$WORK/checkout" && "$COMPOSE" --project-name alpes-try "$@"); }

engine_pid() {
    local pid
    pid=$(cat "$WORK/pid" 2>/dev/null) || return 1
    [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = dockerd ] && printf '%s\n' "$pid"
}

stop_engine() {
    local pid
    pid=$(engine_pid) || return 0
    kill "$pid"
    tail --pid "$pid" --follow /dev/null --sleep-interval 0.2 2>/dev/null || true
}

clean_up() {
    local code=$?
    trap - EXIT
    # What a step that was cut short still does.
    [ -z "$STEP" ] || kill -- "-$STEP" 2>/dev/null || true
    if engine_pid >/dev/null; then
        [ ! -e "$WORK/checkout/.env" ] || compose down --volumes --timeout 10 >/dev/null 2>&1 || true
        stop_engine
    fi
    # The engine leaves the network of the host mounted.
    grep -o " $WORK/[^ ]*" /proc/mounts | xargs --no-run-if-empty umount || true
    [ -n "$HAD_BRIDGE" ] || ip link delete docker0 2>/dev/null || true
    rm -rf "$WORK"
    exit "$code"
}

install_programs() {
    local program
    for program in "${PROGRAMS[@]}"; do
        if ! command -v "$program" >/dev/null; then
            apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${PACKAGES[@]}"
            return
        fi
    done
}

start_engine() {
    setsid dockerd --data-root "$WORK/data" --exec-root "$WORK/exec" --pidfile "$WORK/pid" --host "$DOCKER_HOST" \
        >"$WORK/dockerd.log" 2>&1 </dev/null &
    local tries=0
    until docker info >/dev/null 2>&1; do
        tries=$((tries + 1))
        if [ "$tries" -gt 120 ] || ! kill -0 $! 2>/dev/null; then
            tail -n 5 "$WORK/dockerd.log"
            return 1
        fi
        sleep 0.5
    done
}

copy_checkout() {
    mkdir "$WORK/checkout"
    git ls-files -z --cached --others --exclude-standard | xargs -0 ls -d 2>/dev/null |
        tar --create --files-from - | tar --extract --directory "$WORK/checkout"
    "$WORK/checkout/docker/make-env.sh"
}

free_ports() { # NUMBER
    "$VENV/bin/python" - "$1" <<'END'
import contextlib, socket, sys
with contextlib.ExitStack() as stack:
    sockets = [stack.enter_context(socket.socket()) for _ in range(int(sys.argv[1]))]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    print(*(each.getsockname()[1] for each in sockets))
END
}

make_stand_ins() {
    local distribution
    distribution=$("$VENV/bin/python" -c 'from local_stack import distribution, settings
print(distribution.ensure(settings.from_environment()))')
    stand_ins "$WORK" "$distribution"
}

build() {
    local target name arguments=()
    for name in HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy; do
        [ -z "${!name:-}" ] || arguments+=(--build-arg "$name")
    done
    for target in worker deploy client; do
        docker build --network host "${arguments[@]}" --target "$target" --tag "alpes-$target" --file docker/Dockerfile \
            "$WORK/checkout"
    done
    docker build --network host "${arguments[@]}" --tag alpes-runner --file docker/runner.Dockerfile "$WORK/checkout"
}

show_images() {
    local image
    for image in "${IMAGES[@]}"; do
        printf '%13s  %s: %s MB, %s\n' "" "$image" "$(($(docker image inspect --format '{{.Size}}' "$image") / 1000000))" \
            "$(docker run --rm "$image" python3 --version)"
    done
}

clients_are_small() {
    docker run --rm alpes-client sh -c '! command -v java && ! command -v pulsar && [ ! -e /pulsar ] && [ ! -e /opt/jre ]'
    docker run --rm alpes-runner sh -c '! command -v java && [ ! -e /pulsar/bin ] && [ -e /pulsar/functions/alpes-pagos.zip ]'
}

# Waits for the service that compose starts once, and shows what it printed.
sent() {
    local id code
    id=$(compose ps --quiet client)
    code=$(docker wait "$id")
    docker logs "$id"
    [ "$code" -eq 0 ]
}

up() {
    local watching code=0
    while sleep 0.3; do ps -eww -o args; done >>"$WORK/command-lines" &
    watching=$!
    { compose up --detach --no-build && sent; } || code=$?
    kill "$watching"
    return "$code"
}

# Succeeds where no order is lost, none differs, and so many have ended.
reconciled() { # NUMBER
    compose run --rm -T deploy alpes reconcile --topics --json >"$WORK/reconciled.json"
    "$VENV/bin/python" - "$WORK/reconciled.json" "$1" <<'END'
import json, sys
found = json.load(open(sys.argv[1]))
print(found)
sys.exit(sum(each["orders"] for each in found["ended"].values()) != int(sys.argv[2]))
END
}

send() { compose run --rm -T client alpes send --orders "$1"; }

served() {
    local token answer
    token=$(sed -n 's/^ALPES_API_TOKEN=//p' "$WORK/checkout/.env")
    answer=$(curl --silent --show-error --fail --retry 60 --retry-delay 1 --retry-all-errors --max-time 20 \
        "http://127.0.0.1:$ALPES_API_PORT/orders" --header "Authorization: Bearer $token" \
        --header 'Content-Type: application/json' --header 'Prefer: wait=15' --header 'Idempotency-Key: try' \
        --data '{"client_id": 7, "address": "Calle 7", "total_cents": 1250, "currency": "USD"}')
    printf '%s\n' "$answer"
    grep -qE 'aprobada|rechazada' <<<"$answer"
    # Without the token nothing is served.
    [ "$(curl --silent --output /dev/null --write-out '%{http_code}' "http://127.0.0.1:$ALPES_API_PORT/orders/x")" = 401 ]
}

restarted() { # SERVICE
    compose restart --timeout 60 "$1"
    send 100
}

no_secret_in_images() {
    local code=0
    sed -nE 's/^[A-Z_]+_(PASSWORD|TOKEN)=(.+)/\2/p' "$WORK/checkout/.env" >"$WORK/secrets"
    [ -s "$WORK/secrets" ]
    # All layers of all images, and what the engine notes of how they were made.
    grep --quiet --recursive --devices skip --text --fixed-strings --file "$WORK/secrets" "$WORK/data" || code=$?
    [ "$code" -eq 1 ]
}

# Succeeds where a command fails, and says so with these words.
refused() { # PATTERN COMMAND...
    local output pattern=$1
    shift
    ! output=$("$@" 2>&1) || return 1
    printf '%s\n' "$output"
    grep --quiet --ignore-case --extended-regexp "$pattern" <<<"$output"
}

in_client() { compose run --rm -T client sh -c "$1"; }

may_produce() { # TOPIC
    in_client "PYTHONPATH=runtime python3 -c '
import os
from connection.client import opened
with opened(os.environ[\"PULSAR_SERVICE_URL\"]) as client:
    client.create_producer(\"persistent://alpes/tienda/$1\")'"
}

# Succeeds where neither Pulsar nor PostgreSQL serves who shows nothing, trusts another authority, speaks without TLS, or may not.
# shellcheck disable=SC2016 # a variable of the container's
locked() {
    refused 'token|authentica' in_client 'PULSAR_TOKEN_FILE= alpes send --orders 1' &&
        refused 'certificate' in_client 'PULSAR_TLS_CA= alpes send --orders 1' &&
        refused 'No Pulsar at' \
            in_client 'PULSAR_SERVICE_URL=pulsar://pulsar:6650 PULSAR_ADMIN_URL=http://pulsar:8080 alpes send --orders 1' &&
        may_produce crear-orden && refused 'may not produce' may_produce orden-creada &&
        refused 'encryption|hba' compose run --rm -T deploy \
            sh -c 'ALPES_PAGOS_DSN=${ALPES_PAGOS_DSN%%\?*}?sslmode=disable alpes reconcile'
}

# Succeeds where no password, token or key is in a log, in a function's settings, or on a command line.
no_secret_elsewhere() {
    local code=0 told=$WORK/told
    find "$WORK"/data/volumes/*-keys/_data -type f \( -path '*/tokens/*' -o -name '*.key.pem' -o -name jaas.conf \) \
        -exec sh -c 'cat "$1"; echo' _ {} \; | sed -nE 's/.*password="(.+)".*/\1/; /^-----/d; /.{16}/p' >>"$WORK/secrets"
    {
        compose logs --no-color
        compose exec -T pulsar sh -c 'find logs -type f -exec cat {} +'
        cat "$WORK/command-lines"
        compose run --rm -T deploy python3 -c '
import os
os.sys.path.append("runtime")
from connection.admin import Admin
api = Admin(os.environ["PULSAR_ADMIN_URL"])
print(*(api.text(f"/admin/v3/functions/alpes/tienda/{name}") for name in ("ordenes", "pagos", "reporting")))'
    } >"$told"
    grep --quiet --text --fixed-strings --file "$WORK/secrets" "$told" || code=$?
    [ "$(wc -l <"$WORK/secrets")" -ge 20 ] && grep --quiet ordenes "$told" && [ "$code" -eq 1 ]
}

run() {
    [ "$1" = --pull ] || step "stand-ins for the base images" make_stand_ins
    step "images built" build
    show_images
    step "no Java in the images of clients and of instances" clients_are_small
    step "no password of .env is in an image" no_secret_in_images
    system
    step "docker/make-env.sh --secure" "$WORK/checkout/docker/make-env.sh" --secure
    system
    echo "Everything held."
}

# The system from nothing to nothing.
system() {
    local service orders=$ORDERS
    step "docker compose up, with $ORDERS orders" up
    step "alpes reconcile: $orders ended" reconciled "$orders"
    step "an order over HTTP, and none without the token" served
    orders=$((orders + 1))
    for service in pulsar postgres api; do
        step "restart of $service, and 100 orders" restarted "$service"
        orders=$((orders + 100))
    done
    step "alpes reconcile: $orders ended" reconciled "$orders"
    step "docker compose down" compose down --timeout 60
    step "docker compose up again, with $ORDERS orders more" up
    orders=$((orders + ORDERS))
    step "alpes reconcile: $orders ended" reconciled "$orders"
    if grep -q ^COMPOSE_FILE= "$WORK/checkout/.env"; then
        step "nobody is served without TLS, a token and the right to it" locked
        step "no token, key or password is in a log, a function's settings or a command line" no_secret_elsewhere
    fi
    step "docker compose down --volumes" compose down --volumes --timeout 60
}

main() {
    if asks_for_help "$@"; then
        usage
        return
    fi
    case "$*" in
        "" | --pull | --within-limit*) ;;
        *)
            say "Usage: docker/try.sh [--pull]"
            return 2
            ;;
    esac
    if [ "${1:-}" != --within-limit ]; then
        # When the time runs out, the trap takes everything away.
        exec timeout --foreground --kill-after 120 "$LIMIT_S" "$PWD/docker/try.sh" --within-limit "$@"
    fi
    if [ "$(id -u)" -ne 0 ]; then
        say "Only root can start a container engine: sudo docker/try.sh"
        return 2
    fi
    if [ -e "$WORK" ]; then
        say "$WORK is there already: another run uses it, or was killed. Wait for it; or stop the dockerd whose PID is in its" \
            "file pid, and remove the folder."
        return 2
    fi
    if [ "$(df --output=avail --block-size 1M "$(dirname "$WORK")" | tail -n 1)" -lt "$NEEDED_MB" ]; then
        say "The disk of $WORK has less than $NEEDED_MB MB free: make room, or name another folder with ALPES_TRY_DIR."
        return 2
    fi
    venv_ensure app
    mkdir -p "$WORK"
    trap clean_up EXIT
    trap 'exit 1' TERM INT
    export DOCKER_HOST=unix://$WORK/docker.sock ALPES_ORDERS=$ORDERS
    step "programs" install_programs
    COMPOSE=$(command -v docker-compose)
    # shellcheck disable=SC2034 # compose reads them
    read -r ALPES_BROKER_PORT ALPES_ADMIN_PORT ALPES_API_PORT <<<"$(free_ports 3)"
    export ALPES_BROKER_PORT ALPES_ADMIN_PORT ALPES_API_PORT
    step "engine" start_engine
    step "copy of the checkout, and passwords for it" copy_checkout
    run "${2:-}"
}

main "$@"
