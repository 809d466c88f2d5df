-- Each order as the topic has it. The table is temporary: only this connection sees it, and it ends with the connection.
-- name: shadow
CREATE TEMPORARY TABLE reconstruida (
    id text COLLATE "C" PRIMARY KEY,
    client_id integer NOT NULL,
    status text NOT NULL,
    total_cents bigint NOT NULL,
    currency text NOT NULL,
    version integer NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
)

-- Changes that were read and are not yet merged into the table `reconstruida`.
-- name: arrivals
CREATE TEMPORARY TABLE llegada (
    id text COLLATE "C" NOT NULL,
    client_id integer NOT NULL,
    status text NOT NULL,
    total_cents bigint NOT NULL,
    currency text NOT NULL,
    version integer NOT NULL,
    created_at_ms bigint NOT NULL,
    updated_at_ms bigint NOT NULL
)

-- name: copy
COPY llegada (id, client_id, status, total_cents, currency, version, created_at_ms, updated_at_ms) FROM STDIN

-- Of two changes with the same version the first stays, as in Reporting.
-- name: merge
INSERT INTO reconstruida AS conocida (id, client_id, status, total_cents, currency, version, created_at, updated_at)
SELECT
    id,
    client_id,
    status,
    total_cents,
    currency,
    version,
    timestamptz 'epoch' + created_at_ms * interval '1 millisecond',
    timestamptz 'epoch' + updated_at_ms * interval '1 millisecond'
FROM llegada
ON CONFLICT (id) DO UPDATE
SET
    client_id = excluded.client_id,
    status = excluded.status,
    total_cents = excluded.total_cents,
    currency = excluded.currency,
    version = excluded.version,
    created_at = excluded.created_at,
    updated_at = excluded.updated_at
WHERE conocida.version < excluded.version

-- name: forget_arrivals
TRUNCATE llegada

-- name: analyze
ANALYZE reconstruida

-- Reporting's next group waits for this lock; readers don't.
-- name: lock
LOCK TABLE ordenes IN SHARE ROW EXCLUSIVE MODE

-- The number of rows without an event, and of rows with a version above those of all their events.
-- name: unknown
SELECT
    count(*) FILTER (WHERE reconstruida.id IS NULL),
    count(*) FILTER (WHERE ordenes.version > reconstruida.version)
FROM ordenes
LEFT JOIN reconstruida ON ordenes.id = reconstruida.id

-- name: remove
DELETE FROM ordenes
WHERE NOT EXISTS (SELECT FROM reconstruida WHERE reconstruida.id = ordenes.id)

-- A row with a version above those of the topic is corrected only if the topic is whole.
-- name: correct
UPDATE ordenes
SET
    client_id = reconstruida.client_id,
    status = reconstruida.status,
    total_cents = reconstruida.total_cents,
    currency = reconstruida.currency,
    version = reconstruida.version,
    created_at = reconstruida.created_at,
    updated_at = reconstruida.updated_at
FROM reconstruida
WHERE
    ordenes.id = reconstruida.id
    AND (%(whole)s OR ordenes.version <= reconstruida.version)
    AND (
        ordenes.client_id,
        ordenes.status,
        ordenes.total_cents,
        ordenes.currency,
        ordenes.version,
        ordenes.created_at,
        ordenes.updated_at
    ) IS DISTINCT FROM (
        reconstruida.client_id,
        reconstruida.status,
        reconstruida.total_cents,
        reconstruida.currency,
        reconstruida.version,
        reconstruida.created_at,
        reconstruida.updated_at
    )

-- name: add
INSERT INTO ordenes (id, client_id, status, total_cents, currency, version, created_at, updated_at)
SELECT
    id,
    client_id,
    status,
    total_cents,
    currency,
    version,
    created_at,
    updated_at
FROM reconstruida
WHERE NOT EXISTS (SELECT FROM ordenes WHERE ordenes.id = reconstruida.id)

-- Counts the totals anew. The lock holds all writers, so there are no changes that others can't see yet.
-- name: clear_totals
UPDATE totales_parciales
SET
    orders = 0,
    total_cents = 0

-- name: count_totals
INSERT INTO totales_parciales (status, currency, orders, total_cents)
SELECT
    status,
    currency,
    count(*),
    sum(total_cents)
FROM ordenes
GROUP BY status, currency

-- name: count
SELECT count(*) FROM reconstruida
