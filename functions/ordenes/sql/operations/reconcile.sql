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

-- Those of some orders that a timer will look at: unpaid ones, and those that expired, of which it tells again. A window's row
-- is there until all that its timers had to say is published.
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
