-- Orders and amounts by hour in the report's zone, status and currency.
-- name: by_hour
SELECT
    (extract(EPOCH FROM date_trunc('hour', counted_at, %(tz)s)) * 1000)::bigint AS hour_at_ms,
    status,
    currency,
    count(*) AS orders,
    sum(total_cents) AS total_cents
FROM pedidas
GROUP BY 1, status, currency
ORDER BY 1, status, currency
