-- One row per charged order. Readers may rely on every column.
CREATE TABLE transacciones (
    order_id text COLLATE "C" PRIMARY KEY,
    id text NOT NULL,
    status text NOT NULL CHECK (status IN ('aprobada', 'rechazada')),
    amount_cents bigint NOT NULL CHECK (amount_cents >= 0),
    currency text NOT NULL,
    -- When it was decided.
    created_at timestamptz NOT NULL,
    -- The trace of the order's event, empty when that had none.
    traceparent text NOT NULL DEFAULT ''
);
