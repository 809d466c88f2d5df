#!/bin/bash
# Creates a database and a role for each service, without access to the others'. The postgres image runs this once, when its
# volume is empty.
set -euo pipefail

create() { # SERVICE PASSWORD
    # Not as an option: everybody on the host can read a command line.
    PASSWORD=$2 psql --quiet --set ON_ERROR_STOP=1 --set service="$1" --username "$POSTGRES_USER" --dbname postgres <<'SQL'
\getenv password PASSWORD
CREATE ROLE :"service" LOGIN PASSWORD :'password';
CREATE DATABASE :"service" OWNER :"service";
REVOKE CONNECT ON DATABASE :"service" FROM PUBLIC;
SQL
}

# docker-compose.yml gives each service's password as SERVICE_PASSWORD. POSTGRES_PASSWORD is the superuser's.
for name in $(compgen -e | grep '_PASSWORD$' | sort); do
    service=${name%_PASSWORD}
    [ "$service" = POSTGRES ] || create "${service,,}" "${!name:?}"
done
