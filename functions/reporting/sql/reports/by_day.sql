-- Orders and amounts by day in the report's zone, status and currency.
-- name: by_day
SELECT
    (extract(EPOCH FROM date_trunc('day', counted_at, %(tz)s)) * 1000)::bigint AS day_at_ms,
    status,
    currency,
    count(*) AS orders,
    sum(total_cents) AS total_cents
FROM pedidas
GROUP BY 1, status, currency
ORDER BY 1, status, currency
