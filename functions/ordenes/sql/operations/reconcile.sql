-- name: all
SELECT
    id,
    status,
    version,
    total_cents,
    currency,
    client_id,
    transaction_id
FROM ordenes
ORDER BY id

-- name: some
SELECT
    id,
    status,
    version,
    total_cents,
    currency,
    client_id,
    transaction_id
FROM ordenes
WHERE id = any(%(ids)s::text [])
ORDER BY id

-- Which of some orders a timer will look at: unpaid ones, and expired ones, whose event it emits again. A window's row
-- stays until all events of its timers are published.
-- name: timed
SELECT orden.id
FROM ordenes AS orden
WHERE
    orden.id = any(%(ids)s::text [])
    AND orden.status IN ('creada', 'expirada')
    AND EXISTS (
        SELECT FROM vencimientos AS ventana
        WHERE orden.accepted_at >= ventana.accepted_from AND orden.accepted_at < ventana.accepted_until
    )
