SELECT
    transaction_id,
    amount_cents,
    currency,
    (extract(EPOCH FROM created_at) * 1000)::bigint
FROM reembolsos
WHERE order_id = %(order_id)s
