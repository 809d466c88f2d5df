#!/bin/bash
# Creates a database and a role for each service, without access to the others'. The postgres image runs this once, when its
# volume is empty.
set -euo pipefail

create() { # SERVICE PASSWORD
    psql --quiet --set ON_ERROR_STOP=1 --set service="$1" --set password="$2" --username "$POSTGRES_USER" --dbname postgres <<'SQL'
CREATE ROLE :"service" LOGIN PASSWORD :'password';
CREATE DATABASE :"service" OWNER :"service";
REVOKE CONNECT ON DATABASE :"service" FROM PUBLIC;
SQL
}

create ordenes "${ORDENES_PASSWORD:?}"
create pagos "${PAGOS_PASSWORD:?}"
create reporting "${REPORTING_PASSWORD:?}"
