-- name: all
SELECT
    id,
    status,
    version,
    total_cents,
    currency,
    client_id
FROM ordenes
ORDER BY id

-- name: some
SELECT
    id,
    status,
    version,
    total_cents,
    currency,
    client_id
FROM ordenes
WHERE id = any(%(ids)s::text [])
ORDER BY id
