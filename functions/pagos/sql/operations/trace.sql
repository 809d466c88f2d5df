-- name: intento
SELECT
    amount_cents,
    currency,
    (extract(EPOCH FROM created_at) * 1000)::bigint
FROM intentos
WHERE order_id = %(order_id)s

-- name: reembolso
SELECT
    transaction_id,
    amount_cents,
    currency,
    (extract(EPOCH FROM created_at) * 1000)::bigint
FROM reembolsos
WHERE order_id = %(order_id)s

-- name: transaccion
SELECT
    id,
    status,
    amount_cents,
    currency,
    (extract(EPOCH FROM created_at) * 1000)::bigint
FROM transacciones
WHERE order_id = %(order_id)s
