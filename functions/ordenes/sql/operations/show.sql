-- Orders whose id begins with a text. The order with exactly this id comes first.
-- name: beginning
SELECT
    id,
    status,
    version,
    total_cents,
    currency,
    client_id,
    address,
    (extract(EPOCH FROM created_at) * 1000)::bigint,
    (extract(EPOCH FROM accepted_at) * 1000)::bigint,
    (extract(EPOCH FROM updated_at) * 1000)::bigint,
    transaction_id
FROM ordenes
WHERE id >= %(start)s AND id < %(end)s
ORDER BY id
LIMIT %(most)s
