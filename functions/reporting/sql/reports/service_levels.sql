-- By the minute in which orders ended: how many, and how long they took from created to ended, in milliseconds (median, 95th and
-- 99th percentile). Of an order that was paid back, the refund is the end. Orders whose client's clock was ahead, so that they end
-- before they begin, are counted in clock_ahead and in no percentile.
-- name: service_levels
SELECT
    (extract(EPOCH FROM date_trunc('minute', updated_at)) * 1000)::bigint AS minute_at_ms,
    count(*) AS orders,
    percentile_disc(0.50) WITHIN GROUP (ORDER BY took.ms) FILTER (WHERE took.ms >= 0) AS p50_ms,
    percentile_disc(0.95) WITHIN GROUP (ORDER BY took.ms) FILTER (WHERE took.ms >= 0) AS p95_ms,
    percentile_disc(0.99) WITHIN GROUP (ORDER BY took.ms) FILTER (WHERE took.ms >= 0) AS p99_ms,
    count(*) FILTER (WHERE took.ms < 0) AS clock_ahead
FROM pedidas
CROSS JOIN LATERAL (SELECT (extract(EPOCH FROM updated_at - created_at) * 1000)::bigint AS ms) AS took
GROUP BY 1
ORDER BY 1
