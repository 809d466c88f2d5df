-- Of two changes with the same version the first stays, as in Reporting.
INSERT INTO reconstruida AS conocida (id, client_id, status, total_cents, currency, version, created_at, updated_at)
SELECT
    id,
    client_id,
    status,
    total_cents,
    currency,
    version,
    timestamptz 'epoch' + created_at_ms * interval '1 millisecond',
    timestamptz 'epoch' + updated_at_ms * interval '1 millisecond'
FROM llegada
ON CONFLICT (id) DO UPDATE
SET
    client_id = excluded.client_id,
    status = excluded.status,
    total_cents = excluded.total_cents,
    currency = excluded.currency,
    version = excluded.version,
    created_at = excluded.created_at,
    updated_at = excluded.updated_at
WHERE conocida.version < excluded.version
