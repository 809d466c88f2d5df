#!/bin/bash
# Run once by the postgres image, when its volume is empty: one database and one role per service, closed to the others.
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
