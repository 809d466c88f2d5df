-- The new ones of a batch of decided charges. Ids are distinct and sorted, so that instances lock in the same order.
-- name: insert_new
INSERT INTO transacciones (order_id, id, status, amount_cents, currency, created_at, traceparent)
SELECT
    nueva.order_id,
    nueva.id,
    nueva.status,
    nueva.amount_cents,
    nueva.currency,
    timestamptz 'epoch' + nueva.processed_at_ms * interval '1 millisecond',
    nueva.traceparent
FROM
    unnest(
        %(order_ids)s::text [],
        %(ids)s::text [],
        %(statuses)s::text [],
        %(amounts)s::bigint [],
        %(currencies)s::text [],
        %(processed_at_ms)s::bigint [],
        %(traceparents)s::text []
    ) AS nueva (order_id, id, status, amount_cents, currency, processed_at_ms, traceparent)
ON CONFLICT (order_id) DO NOTHING
RETURNING order_id

-- A statement of its own: another instance may have inserted an id at the same time, and its row shows only now.
-- name: stored
SELECT
    order_id,
    id,
    status,
    amount_cents,
    currency,
    (extract(EPOCH FROM created_at) * 1000)::bigint,
    traceparent
FROM transacciones
WHERE order_id = any(%(order_ids)s::text [])
