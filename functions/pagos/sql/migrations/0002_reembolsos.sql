-- One row per order that was paid back, all of it. Readers may rely on every column.
CREATE TABLE reembolsos (
    order_id text COLLATE "C" PRIMARY KEY REFERENCES transacciones (order_id),
    transaction_id text NOT NULL,
    amount_cents bigint NOT NULL CHECK (amount_cents >= 0),
    currency text NOT NULL,
    -- When it was paid back.
    created_at timestamptz NOT NULL,
    -- The trace of the command, empty when that had none.
    traceparent text NOT NULL DEFAULT ''
);

-- Charges that the payment gateway was, or is about to be, asked for and that have no outcome yet: it may have charged them.
CREATE TABLE intentos (
    order_id text COLLATE "C" PRIMARY KEY,
    amount_cents bigint NOT NULL CHECK (amount_cents >= 0),
    currency text NOT NULL,
    -- When it was first asked for.
    created_at timestamptz NOT NULL DEFAULT now(),
    traceparent text NOT NULL DEFAULT ''
);
