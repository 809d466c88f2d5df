-- By currency: what was charged, what of it was paid back, what is left, and which payments were refused or never came.
-- name: payments
SELECT
    currency,
    count(*) FILTER (WHERE status IN ('aprobada', 'reembolsada')) AS charged,
    coalesce(sum(total_cents) FILTER (WHERE status IN ('aprobada', 'reembolsada')), 0) AS charged_amount_cents,
    count(*) FILTER (WHERE status = 'reembolsada') AS refunded,
    coalesce(sum(total_cents) FILTER (WHERE status = 'reembolsada'), 0) AS refunded_amount_cents,
    count(*) FILTER (WHERE status = 'rechazada') AS refused,
    coalesce(sum(total_cents) FILTER (WHERE status = 'rechazada'), 0) AS refused_amount_cents,
    count(*) FILTER (WHERE status = 'expirada') AS expired,
    coalesce(sum(total_cents) FILTER (WHERE status = 'expirada'), 0) AS expired_amount_cents,
    coalesce(sum(total_cents) FILTER (WHERE status = 'aprobada'), 0) AS net_amount_cents
FROM pedidas
GROUP BY currency
ORDER BY currency
