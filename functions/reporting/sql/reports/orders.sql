-- Every order, sorted by id.
-- name: orders
SELECT
    id,
    client_id,
    status,
    total_cents,
    currency,
    version,
    (extract(EPOCH FROM created_at) * 1000)::bigint AS created_at_ms,
    (extract(EPOCH FROM updated_at) * 1000)::bigint AS updated_at_ms
FROM pedidas
ORDER BY id
