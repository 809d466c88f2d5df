SELECT
    id,
    status,
    version,
    total_cents,
    currency
FROM ordenes
ORDER BY id
