-- Inserts the new ones of a batch of decided charges. Ids are distinct and sorted, so that instances lock in the same order.
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
        %(order_id)s::text [],
        %(id)s::text [],
        %(status)s::text [],
        %(amount_cents)s::bigint [],
        %(currency)s::text [],
        %(processed_at_ms)s::bigint [],
        %(traceparent)s::text []
    ) AS nueva (order_id, id, status, amount_cents, currency, processed_at_ms, traceparent)
ON CONFLICT (order_id) DO NOTHING
RETURNING order_id

-- A statement of its own: if another instance inserted an id at the same time, only a later statement sees its row.
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

-- Records, before the gateway is asked, that it may have charged the orders. Ids are distinct and sorted. The update changes
-- nothing: with it the statement waits for a transaction that removes the intent, and returns the intent that is stored.
-- name: insert_intents
INSERT INTO intentos (order_id, amount_cents, currency, traceparent)
SELECT
    nuevo.order_id,
    nuevo.amount_cents,
    nuevo.currency,
    nuevo.traceparent
FROM
    unnest(
        %(order_id)s::text [], %(amount_cents)s::bigint [], %(currency)s::text [], %(traceparent)s::text []
    ) AS nuevo (order_id, amount_cents, currency, traceparent)
ON CONFLICT (order_id) DO UPDATE
SET order_id = excluded.order_id
RETURNING
    intentos.order_id,
    intentos.amount_cents,
    intentos.currency,
    intentos.traceparent

-- name: delete_intents
DELETE FROM intentos
WHERE order_id = any(%(order_ids)s::text [])

-- name: insert_refunds
INSERT INTO reembolsos (order_id, transaction_id, amount_cents, currency, created_at, traceparent)
SELECT
    nuevo.order_id,
    nuevo.transaction_id,
    nuevo.amount_cents,
    nuevo.currency,
    timestamptz 'epoch' + nuevo.refunded_at_ms * interval '1 millisecond',
    nuevo.traceparent
FROM
    unnest(
        %(order_id)s::text [],
        %(transaction_id)s::text [],
        %(amount_cents)s::bigint [],
        %(currency)s::text [],
        %(refunded_at_ms)s::bigint [],
        %(traceparent)s::text []
    ) AS nuevo (order_id, transaction_id, amount_cents, currency, refunded_at_ms, traceparent)
ON CONFLICT (order_id) DO NOTHING

-- A statement of its own, as `stored` is.
-- name: refunds
SELECT
    order_id,
    transaction_id,
    amount_cents,
    currency,
    (extract(EPOCH FROM created_at) * 1000)::bigint,
    traceparent
FROM reembolsos
WHERE order_id = any(%(order_ids)s::text [])
