-- Inserts the new orders of a batch. Ids are distinct and sorted, so that instances lock in the same order.
-- With the parameter `mark`, here and below, the statement also marks the changed orders for the state store.
-- name: insert_new
WITH cambiada AS (
    INSERT INTO ordenes (
        id, client_id, address, status, total_cents, currency, version, created_at, accepted_at, updated_at, traceparent,
        direccion
    )
    SELECT
        nueva.id,
        nueva.client_id,
        nueva.address,
        'creada',
        nueva.total_cents,
        nueva.currency,
        1,
        timestamptz 'epoch' + nueva.created_at_ms * interval '1 millisecond',
        date_trunc('milliseconds', now()),
        date_trunc('milliseconds', now()),
        nueva.traceparent,
        nueva.direccion::json
    FROM
        unnest(
            %(id)s::text [],
            %(client_id)s::int [],
            %(address)s::text [],
            %(total_cents)s::bigint [],
            %(currency)s::text [],
            %(created_at_ms)s::bigint [],
            %(traceparent)s::text [],
            %(direccion)s::text []
        ) AS nueva (id, client_id, address, total_cents, currency, created_at_ms, traceparent, direccion)
    ON CONFLICT (id) DO NOTHING
    RETURNING id, (extract(EPOCH FROM accepted_at) * 1000)::bigint AS accepted_at_ms
),

marca AS (
    INSERT INTO estado_pendiente (order_ids)
    SELECT array_agg(id) FROM cambiada
    WHERE %(mark)s
    HAVING count(*) > 0
)

SELECT * FROM cambiada

-- A statement of its own: if another instance inserted an id at the same time, only a later statement sees its row.
-- name: stored
SELECT
    id,
    client_id,
    address,
    total_cents,
    currency,
    (extract(EPOCH FROM created_at) * 1000)::bigint,
    traceparent,
    direccion::text,
    status,
    version,
    (extract(EPOCH FROM updated_at) * 1000)::bigint,
    transaction_id
FROM ordenes
WHERE id = any(%(ids)s::text [])

-- Settles each order whose status allows it. There is one transaction per order, and ids are sorted.
-- name: settle
WITH cambiada AS (
    UPDATE ordenes AS orden
    SET
        status = pago.status,
        version = orden.version + 1,
        updated_at = date_trunc('milliseconds', now()),
        transaction_id = pago.id
    FROM
        unnest(
            %(order_id)s::text [],
            %(status)s::text [],
            %(previous)s::text [],
            %(id)s::text [],
            %(amount_cents)s::bigint [],
            %(currency)s::text []
        ) AS pago (order_id, status, previous, id, amount_cents, currency)
    WHERE
        orden.id = pago.order_id
        AND orden.status = pago.previous
        AND orden.total_cents = coalesce(pago.amount_cents, orden.total_cents)
        AND orden.currency = coalesce(nullif(pago.currency, ''), orden.currency)
    RETURNING
        orden.id,
        orden.client_id,
        orden.address,
        orden.total_cents,
        orden.currency,
        (extract(EPOCH FROM orden.created_at) * 1000)::bigint AS created_at_ms,
        orden.traceparent,
        orden.direccion::text,
        orden.status,
        orden.version,
        (extract(EPOCH FROM orden.updated_at) * 1000)::bigint AS updated_at_ms,
        orden.transaction_id
),

marca AS (
    INSERT INTO estado_pendiente (order_ids)
    SELECT array_agg(id) FROM cambiada
    WHERE %(mark)s
    HAVING count(*) > 0
)

SELECT * FROM cambiada

-- Returns no row if the window is recorded already. Waits for another transaction that has not committed its row yet.
-- name: open_window
INSERT INTO vencimientos (accepted_from, accepted_until)
VALUES (
    timestamptz 'epoch' + %(from_ms)s * interval '1 millisecond',
    timestamptz 'epoch' + %(until_ms)s * interval '1 millisecond'
)
ON CONFLICT DO NOTHING
RETURNING 1

-- Records whether the window's timer has arrived. Repeated orders start the timer again only if it has not.
-- name: arm_window
UPDATE vencimientos
SET armed = %(armed)s
WHERE
    accepted_from = timestamptz 'epoch' + %(from_ms)s * interval '1 millisecond'
    AND accepted_until = timestamptz 'epoch' + %(until_ms)s * interval '1 millisecond'
RETURNING 1

-- name: close_window
DELETE FROM vencimientos
WHERE
    accepted_from = timestamptz 'epoch' + %(from_ms)s * interval '1 millisecond'
    AND accepted_until = timestamptz 'epoch' + %(until_ms)s * interval '1 millisecond'

-- Windows of these orders whose timer may never have been published, whatever became of the orders themselves.
-- name: unarmed_windows_of
SELECT DISTINCT
    (extract(EPOCH FROM ventana.accepted_from) * 1000)::bigint,
    (extract(EPOCH FROM ventana.accepted_until) * 1000)::bigint
FROM vencimientos AS ventana
INNER JOIN
    ordenes AS orden
    ON ventana.accepted_from <= orden.accepted_at AND orden.accepted_at < ventana.accepted_until
WHERE orden.id = any(%(ids)s::text []) AND NOT ventana.armed

-- Windows that ended long ago and whose timer never came.
-- name: forgotten_windows
SELECT
    (extract(EPOCH FROM accepted_from) * 1000)::bigint,
    (extract(EPOCH FROM accepted_until) * 1000)::bigint
FROM vencimientos
WHERE NOT armed AND accepted_until < now() - %(older_ms)s * interval '1 millisecond'
ORDER BY accepted_from
LIMIT %(most)s

-- PostgreSQL reads pg_stat_activity once per transaction and keeps the snapshot, so each timer first drops the snapshot.
-- name: forget_activity
SELECT pg_stat_clear_snapshot()

-- An order counts as accepted at its transaction's start, so an open transaction that began before the window's end may still
-- add an order to the window. This runs before the window's orders are read: those of transactions that ended earlier are
-- visible then. Only instances' own connections accept orders; the parameter `peers` matches the names of these connections.
-- name: due
SELECT
    (extract(EPOCH FROM clock_timestamp()) * 1000)::bigint,
    exists(
        SELECT FROM pg_stat_activity
        WHERE
            datname = current_database()
            AND pid <> pg_backend_pid()
            AND application_name ~ %(peers)s
            AND xact_start < timestamptz 'epoch' + %(until_ms)s * interval '1 millisecond'
    )

-- A window's unpaid orders, and its expired ones: a timer that comes again emits the events of these again. The CTE is
-- materialized so that PostgreSQL finds the window by time, and doesn't read the whole table by id.
-- name: unpaid
WITH ventana AS MATERIALIZED (
    SELECT id FROM ordenes
    WHERE
        accepted_at >= timestamptz 'epoch' + %(from_ms)s * interval '1 millisecond'
        AND accepted_at < timestamptz 'epoch' + %(until_ms)s * interval '1 millisecond'
        AND status IN ('creada', 'expirada')
)

SELECT id FROM ventana
WHERE id > %(after_id)s
ORDER BY id
LIMIT %(most)s

-- name: expire
WITH cambiada AS (
    UPDATE ordenes AS orden
    SET
        status = 'expirada',
        version = orden.version + 1,
        updated_at = date_trunc('milliseconds', now())
    WHERE
        orden.id = any(%(ids)s::text [])
        AND orden.status = 'creada'
    RETURNING
        orden.id,
        orden.client_id,
        orden.address,
        orden.total_cents,
        orden.currency,
        (extract(EPOCH FROM orden.created_at) * 1000)::bigint AS created_at_ms,
        orden.traceparent,
        orden.direccion::text,
        orden.status,
        orden.version,
        (extract(EPOCH FROM orden.updated_at) * 1000)::bigint AS updated_at_ms,
        orden.transaction_id
),

marca AS (
    INSERT INTO estado_pendiente (order_ids)
    SELECT array_agg(id) FROM cambiada
    WHERE %(mark)s
    HAVING count(*) > 0
)

SELECT * FROM cambiada

-- Announces the oldest marks that nobody works on, and returns whether each was announced before.
-- name: announce_marks
UPDATE estado_pendiente AS marca
SET tried = true
FROM (
    SELECT
        id,
        tried
    FROM estado_pendiente
    ORDER BY id
    LIMIT %(most)s
    FOR UPDATE SKIP LOCKED
) AS antes
WHERE marca.id = antes.id
RETURNING marca.id, marca.order_ids, antes.tried

-- name: hold_marks
SELECT id FROM estado_pendiente
WHERE id = any(%(marks)s::bigint [])
FOR UPDATE SKIP LOCKED

-- name: current_status
SELECT
    id,
    version,
    status
FROM ordenes
WHERE id = any(%(ids)s::text [])

-- name: clear_marks
DELETE FROM estado_pendiente
WHERE id = any(%(marks)s::bigint [])

-- name: lag
SELECT
    coalesce(sum(cardinality(order_ids)), 0)::bigint,
    coalesce(extract(EPOCH FROM now() - min(created_at)), 0)::float8
FROM estado_pendiente
