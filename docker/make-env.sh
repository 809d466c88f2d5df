#!/usr/bin/env bash
# Writes .env for docker compose with new passwords and a token; an existing one gets what it lacks: docker/make-env.sh
# With --secure, docker compose reads docker-compose.secure.yml besides: TLS, tokens and roles.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Hexadecimal, since a password is part of a URL.
password() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n'; }

# Prints the lines that it reads, with a new password where one is empty.
filled() {
    local line
    while IFS= read -r line || [ -n "$line" ]; do
        case $line in
            *_PASSWORD= | *_TOKEN=) printf '%s%s\n' "$line" "$(password)" ;;
            *) printf '%s\n' "$line" ;;
        esac
    done
}

# Prints the example's lines of variables that .env doesn't have.
lacking() { grep -E '^\w+=' .env.example | grep -vf <(sed -nE 's/^(\w+=).*/^\1/p' .env) || true; }

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
[ -e .env ] || cp .env.example .env
content=$(filled <.env && lacking | filled)
if new=$(grep -vxFf .env <<<"$content"); then
    chmod go= .env
    printf '%s\n' "$content" >.env
    echo "Gave .env what it lacked: $(cut -d = -f 1 <<<"$new" | paste -sd ' ')." >&2
else
    echo ".env already has every password: nothing changed." >&2
fi
[ "${1:-}" != --secure ] || secured
