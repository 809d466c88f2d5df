-- Orders and amounts by hour in the report's zone, status and currency. Where the clocks are changed within an hour, it is two.
-- name: by_hour
SELECT
    (extract(EPOCH FROM hora.began) * 1000)::bigint AS hour_at_ms,
    sumas.status,
    sumas.currency,
    sumas.orders,
    sumas.total_cents
FROM (
    SELECT
        date_trunc('hour', counted_at, %(tz)s) AS plena,
        counted_at AT TIME ZONE %(tz)s - counted_at AT TIME ZONE 'UTC' AS adelanto,
        status,
        currency,
        count(*) AS orders,
        sum(total_cents) AS total_cents
    FROM pedidas
    GROUP BY 1, 2, status, currency
) AS sumas
-- The full hour, unless the clocks were changed since then: in that case, when they were.
CROSS JOIN LATERAL (
    SELECT
        CASE
            WHEN sumas.plena AT TIME ZONE %(tz)s - sumas.plena AT TIME ZONE 'UTC' = sumas.adelanto THEN sumas.plena
            ELSE (
                SELECT min(momento.cuando)
                FROM
                    generate_series(sumas.plena, sumas.plena + interval '1 hour', interval '1 minute')
                        AS momento (cuando)
                WHERE momento.cuando AT TIME ZONE %(tz)s - momento.cuando AT TIME ZONE 'UTC' = sumas.adelanto
            )
        END AS began
) AS hora
ORDER BY 1, sumas.status, sumas.currency
