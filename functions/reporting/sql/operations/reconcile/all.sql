SELECT
    id,
    status,
    version,
    total_cents,
    currency,
    client_id
FROM ordenes
ORDER BY id
