SELECT
    id,
    status,
    amount_cents,
    currency,
    (extract(EPOCH FROM created_at) * 1000)::bigint
FROM transacciones
WHERE order_id = %(order_id)s
