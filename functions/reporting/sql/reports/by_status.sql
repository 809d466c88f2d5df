-- Orders and amounts by status and currency.
-- name: by_status
SELECT
    status,
    currency,
    count(*) AS orders,
    sum(total_cents) AS total_cents
FROM pedidas
GROUP BY status, currency
ORDER BY status, currency
