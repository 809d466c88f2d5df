SELECT
    id,
    status,
    version,
    total_cents,
    currency
FROM ordenes
WHERE id = any(%(ids)s::text [])
ORDER BY id
