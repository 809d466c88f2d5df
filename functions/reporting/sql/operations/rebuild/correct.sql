-- A version above all that the topic tells of is taken back only where the topic is whole.
UPDATE ordenes
SET
    client_id = reconstruida.client_id,
    status = reconstruida.status,
    total_cents = reconstruida.total_cents,
    currency = reconstruida.currency,
    version = reconstruida.version,
    created_at = reconstruida.created_at,
    updated_at = reconstruida.updated_at
FROM reconstruida
WHERE
    ordenes.id = reconstruida.id
    AND (%(whole)s OR ordenes.version <= reconstruida.version)
    AND (
        ordenes.client_id,
        ordenes.status,
        ordenes.total_cents,
        ordenes.currency,
        ordenes.version,
        ordenes.created_at,
        ordenes.updated_at
    ) IS DISTINCT FROM (
        reconstruida.client_id,
        reconstruida.status,
        reconstruida.total_cents,
        reconstruida.currency,
        reconstruida.version,
        reconstruida.created_at,
        reconstruida.updated_at
    )
