#!/usr/bin/env bash
# Writes .env for docker compose with new passwords, unless the file exists: docker/make-env.sh
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Hexadecimal, since a password is part of a URL.
password() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n'; }

if [ -e .env ]; then
    echo ".env already exists: nothing changed." >&2
    exit 0
fi
umask 077
while IFS= read -r line; do
    case $line in
        *_PASSWORD=) printf '%s%s\n' "$line" "$(password)" ;;
        *) printf '%s\n' "$line" ;;
    esac
done <.env.example >.env
echo "Wrote .env with new passwords." >&2
