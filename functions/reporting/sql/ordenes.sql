-- Keeps each order's highest version. Ids are distinct and sorted, so that instances lock in the same order.
-- name: upsert
INSERT INTO ordenes (id, client_id, status, total_cents, currency, version, created_at, updated_at)
SELECT
    nueva.id,
    nueva.client_id,
    nueva.status,
    nueva.total_cents,
    nueva.currency,
    nueva.version,
    timestamptz 'epoch' + nueva.created_at_ms * interval '1 millisecond',
    timestamptz 'epoch' + nueva.updated_at_ms * interval '1 millisecond'
FROM
    unnest(
        %(id)s::text [],
        %(client_id)s::int [],
        %(status)s::text [],
        %(total_cents)s::bigint [],
        %(currency)s::text [],
        %(version)s::int [],
        %(created_at_ms)s::bigint [],
        %(updated_at_ms)s::bigint []
    ) AS nueva (id, client_id, status, total_cents, currency, version, created_at_ms, updated_at_ms)
ON CONFLICT (id) DO UPDATE
SET
    client_id = excluded.client_id,
    status = excluded.status,
    total_cents = excluded.total_cents,
    currency = excluded.currency,
    version = excluded.version,
    created_at = excluded.created_at,
    updated_at = excluded.updated_at
WHERE ordenes.version < excluded.version

-- The sum may exceed a bigint, so it stays numeric.
-- name: totals
SELECT
    status,
    currency,
    orders,
    total_cents
FROM totales
