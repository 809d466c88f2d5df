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
