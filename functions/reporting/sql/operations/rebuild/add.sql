INSERT INTO ordenes (id, client_id, status, total_cents, currency, version, created_at, updated_at)
SELECT
    id,
    client_id,
    status,
    total_cents,
    currency,
    version,
    created_at,
    updated_at
FROM reconstruida
WHERE NOT EXISTS (SELECT FROM ordenes WHERE ordenes.id = reconstruida.id)
