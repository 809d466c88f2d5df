-- Orders that ended long ago, the same in all three databases, so that they reconcile.
-- name: ordenes
INSERT INTO ordenes (
    id, client_id, address, status, total_cents, currency, version, created_at, accepted_at, updated_at, transaction_id
)
SELECT
    'viejo-' || lpad(n::text, 9, '0'),
    mod(n, 10000),
    'Calle ' || mod(n, 180),
    'aprobada',
    100 + mod(n, 50000),
    'USD',
    2,
    timestamptz '2020-01-01 00:00:00+00',
    timestamptz '2020-01-01 00:00:00+00' + n * interval '1 millisecond',
    timestamptz '2020-01-01 00:00:00+00' + n * interval '1 millisecond',
    'tx-' || lpad(n::text, 9, '0')
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n

-- name: pagos
INSERT INTO transacciones (order_id, id, status, amount_cents, currency, created_at)
SELECT
    'viejo-' || lpad(n::text, 9, '0'),
    'tx-' || lpad(n::text, 9, '0'),
    'aprobada',
    100 + mod(n, 50000),
    'USD',
    timestamptz '2020-01-01 00:00:00+00' + n * interval '1 millisecond'
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n

-- name: reporting
INSERT INTO ordenes (id, client_id, status, total_cents, currency, version, created_at, updated_at)
SELECT
    'viejo-' || lpad(n::text, 9, '0'),
    mod(n, 10000),
    'aprobada',
    100 + mod(n, 50000),
    'USD',
    2,
    timestamptz '2020-01-01 00:00:00+00',
    timestamptz '2020-01-01 00:00:00+00' + n * interval '1 millisecond'
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
