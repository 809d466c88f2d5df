-- name: estado_pendiente
SELECT (extract(EPOCH FROM created_at) * 1000)::bigint FROM estado_pendiente
WHERE order_ids @> ARRAY[%(order_id)s]::text []
ORDER BY id

-- name: orden
SELECT
    status,
    version,
    total_cents,
    currency,
    (extract(EPOCH FROM created_at) * 1000)::bigint,
    (extract(EPOCH FROM accepted_at) * 1000)::bigint,
    (extract(EPOCH FROM updated_at) * 1000)::bigint,
    transaction_id,
    traceparent
FROM ordenes
WHERE id = %(order_id)s
