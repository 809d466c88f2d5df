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
