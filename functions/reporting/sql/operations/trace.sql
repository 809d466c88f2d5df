-- name: leida
SELECT
    status,
    version,
    total_cents,
    currency,
    (extract(EPOCH FROM updated_at) * 1000)::bigint
FROM ordenes
WHERE id = %(order_id)s
