SELECT
    transaccion.order_id,
    CASE
        WHEN reembolso.order_id IS NULL THEN transaccion.status
        WHEN transaccion.status = 'aprobada' AND reembolso.amount_cents = transaccion.amount_cents THEN 'reembolsada'
        ELSE 'imposible'
    END,
    transaccion.amount_cents,
    transaccion.currency
FROM transacciones AS transaccion
LEFT JOIN reembolsos AS reembolso ON transaccion.order_id = reembolso.order_id
UNION ALL
SELECT
    intento.order_id,
    'intento',
    intento.amount_cents,
    intento.currency
FROM intentos AS intento
WHERE NOT EXISTS (SELECT FROM transacciones AS transaccion WHERE transaccion.order_id = intento.order_id)
ORDER BY 1
