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

-- The totals that differ from a full count, each with what is kept and what is there.
-- name: wrong_totals
SELECT
    status,
    currency,
    coalesce(totales.orders, 0),
    coalesce(contados.orders, 0),
    coalesce(totales.total_cents, 0),
    coalesce(contados.total_cents, 0)
FROM totales
FULL JOIN
    (
        SELECT
            status,
            currency,
            count(*) AS orders,
            sum(total_cents) AS total_cents
        FROM ordenes
        GROUP BY status, currency
    ) AS contados
    USING (status, currency)
WHERE
    (coalesce(totales.orders, 0), coalesce(totales.total_cents, 0))
    IS DISTINCT FROM (coalesce(contados.orders, 0), coalesce(contados.total_cents, 0))
ORDER BY status, currency
