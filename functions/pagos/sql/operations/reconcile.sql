-- name: all
SELECT
    transaccion.order_id,
    CASE
        WHEN reembolso.order_id IS NULL THEN transaccion.status
        WHEN transaccion.status <> 'aprobada' THEN 'imposible'
        WHEN
            (reembolso.transaction_id, reembolso.amount_cents, reembolso.currency)
            = (transaccion.id, transaccion.amount_cents, transaccion.currency)
            THEN 'reembolsada'
        ELSE 'ajeno'
    END,
    transaccion.amount_cents,
    transaccion.currency,
    transaccion.id
FROM transacciones AS transaccion
LEFT JOIN reembolsos AS reembolso ON transaccion.order_id = reembolso.order_id
UNION ALL
SELECT
    reembolso.order_id,
    'sin cobro',
    reembolso.amount_cents,
    reembolso.currency,
    reembolso.transaction_id
FROM reembolsos AS reembolso
WHERE NOT EXISTS (SELECT FROM transacciones AS transaccion WHERE transaccion.order_id = reembolso.order_id)
UNION ALL
SELECT
    intento.order_id,
    'intento',
    intento.amount_cents,
    intento.currency,
    ''
FROM intentos AS intento
WHERE
    NOT EXISTS (SELECT FROM transacciones AS transaccion WHERE transaccion.order_id = intento.order_id)
    AND NOT EXISTS (SELECT FROM reembolsos AS reembolso WHERE reembolso.order_id = intento.order_id)
ORDER BY 1

-- name: some
SELECT
    transaccion.order_id,
    CASE
        WHEN reembolso.order_id IS NULL THEN transaccion.status
        WHEN transaccion.status <> 'aprobada' THEN 'imposible'
        WHEN
            (reembolso.transaction_id, reembolso.amount_cents, reembolso.currency)
            = (transaccion.id, transaccion.amount_cents, transaccion.currency)
            THEN 'reembolsada'
        ELSE 'ajeno'
    END,
    transaccion.amount_cents,
    transaccion.currency,
    transaccion.id
FROM transacciones AS transaccion
LEFT JOIN reembolsos AS reembolso ON transaccion.order_id = reembolso.order_id
WHERE transaccion.order_id = any(%(ids)s::text [])
UNION ALL
SELECT
    reembolso.order_id,
    'sin cobro',
    reembolso.amount_cents,
    reembolso.currency,
    reembolso.transaction_id
FROM reembolsos AS reembolso
WHERE
    reembolso.order_id = any(%(ids)s::text [])
    AND NOT EXISTS (SELECT FROM transacciones AS transaccion WHERE transaccion.order_id = reembolso.order_id)
UNION ALL
SELECT
    intento.order_id,
    'intento',
    intento.amount_cents,
    intento.currency,
    ''
FROM intentos AS intento
WHERE
    intento.order_id = any(%(ids)s::text [])
    AND NOT EXISTS (SELECT FROM transacciones AS transaccion WHERE transaccion.order_id = intento.order_id)
    AND NOT EXISTS (SELECT FROM reembolsos AS reembolso WHERE reembolso.order_id = intento.order_id)
ORDER BY 1
