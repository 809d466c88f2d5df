-- Orders and amounts by day in the report's zone, status and currency. A day begins at the first moment at which the zone's
-- calendar shows it: midnight may come twice there, or never.
-- name: by_day
SELECT
    (extract(EPOCH FROM dia.began) * 1000)::bigint AS day_at_ms,
    sumas.status,
    sumas.currency,
    sumas.orders,
    sumas.total_cents
FROM (
    SELECT
        (counted_at AT TIME ZONE %(tz)s)::date AS fecha,
        status,
        currency,
        count(*) AS orders,
        sum(total_cents) AS total_cents
    FROM pedidas
    GROUP BY 1, status, currency
) AS sumas
-- Where midnight comes twice, PostgreSQL takes the second one.
CROSS JOIN LATERAL (SELECT sumas.fecha::timestamp AT TIME ZONE %(tz)s AS medianoche) AS segunda
CROSS JOIN LATERAL (SELECT segunda.medianoche - interval '4 hours' AS vispera) AS antes
CROSS JOIN LATERAL (
    SELECT
        CASE
            WHEN
                antes.vispera AT TIME ZONE %(tz)s - antes.vispera AT TIME ZONE 'UTC'
                = segunda.medianoche AT TIME ZONE %(tz)s - segunda.medianoche AT TIME ZONE 'UTC'
                THEN segunda.medianoche
            ELSE (
                SELECT min(momento.cuando)
                FROM generate_series(antes.vispera, segunda.medianoche, interval '15 minutes') AS momento (cuando)
                WHERE (momento.cuando AT TIME ZONE %(tz)s)::date >= sumas.fecha
            )
        END AS began
) AS dia
ORDER BY 1, sumas.status, sumas.currency
