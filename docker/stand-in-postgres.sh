#!/bin/bash
# The entry point of the stand-in for the image postgres: makes the database at the first start, as the official image does.
set -euo pipefail

export PGDATA=/var/lib/postgresql/18/docker

if [ "$(id -u)" -eq 0 ]; then
    chown postgres /var/lib/postgresql
    exec setpriv --reuid postgres --regid postgres --clear-groups "$0" "$@"
fi

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    mkdir -p "$PGDATA"
    initdb --username "$POSTGRES_USER" --pwfile <(printf '%s\n' "${POSTGRES_PASSWORD:?}") --auth-local trust \
        --auth-host scram-sha-256 --locale C.UTF-8 >/dev/null
    echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
    # Only on its socket, until the services' databases are there.
    pg_ctl --wait --silent --options "${*:2} -c listen_addresses='' -c unix_socket_directories=/tmp" start
    for script in /docker-entrypoint-initdb.d/*.sh; do
        PGHOST=/tmp bash "$script"
    done
    pg_ctl --wait --silent stop
fi
[ "${1:-}" != postgres ] || shift
exec postgres -c listen_addresses='*' -c unix_socket_directories=/tmp "$@"
