#!/usr/bin/env bash
# Writes .env for docker compose with new passwords and a token; adds to an existing one what it lacks: docker/make-env.sh
# With --secure, docker compose reads docker-compose.secure.yml besides: TLS, tokens and roles.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Hexadecimal, since a password is part of a URL.
password() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n'; }

# Prints the example with its gaps filled; with an older .env, only the lines of variables that it lacks.
filled() {
    local line
    while IFS= read -r line; do
        if [ -e .env ] && { [ "${line#*=}" = "$line" ] || grep -q "^${line%%=*}=" .env; }; then
            continue
        fi
        case $line in
            *_PASSWORD= | *_TOKEN=) printf '%s%s\n' "$line" "$(password)" ;;
            *) printf '%s\n' "$line" ;;
        esac
    done <.env.example
}

# Has compose read the second file, too.
secured() {
    local line="COMPOSE_FILE=docker-compose.yml:docker-compose.secure.yml"
    if grep -qxF "$line" .env; then
        echo ".env has compose read docker-compose.secure.yml already." >&2
    elif grep -q "^COMPOSE_FILE=" .env; then
        echo ".env names other files in COMPOSE_FILE: add docker-compose.secure.yml there." >&2
        exit 1
    else
        printf '\n%s\n' "$line" >>.env
        echo "Docker compose reads docker-compose.secure.yml, too, from now on: .env says so in COMPOSE_FILE." >&2
    fi
}

case "$*" in
    "" | --secure) ;;
    *)
        echo "Usage: docker/make-env.sh [--secure]" >&2
        exit 2
        ;;
esac
umask 077
if [ ! -e .env ]; then
    content=$(filled)
    printf '%s\n' "$content" >.env
    echo "Wrote .env with new passwords and a token." >&2
elif lacking=$(filled) && [ -n "$lacking" ]; then
    printf '\n%s\n' "$lacking" >>.env
    echo "Added to .env what it lacked: $(cut -d = -f 1 <<<"$lacking" | paste -sd ' ')." >&2
else
    echo ".env already has every password: nothing changed." >&2
fi
[ "${1:-}" != --secure ] || secured
