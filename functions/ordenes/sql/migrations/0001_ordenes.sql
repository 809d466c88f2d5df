-- One row per accepted order. Readers may rely on every column.
CREATE TABLE ordenes (
    id text COLLATE "C" PRIMARY KEY,
    client_id integer NOT NULL,
    address text NOT NULL,
    status text NOT NULL CHECK (status IN ('creada', 'aprobada', 'rechazada', 'expirada', 'reembolsada')),
    total_cents bigint NOT NULL CHECK (total_cents >= 0),
    currency text NOT NULL,
    version integer NOT NULL,
    -- When the client created the order.
    created_at timestamptz NOT NULL,
    -- When the order was recorded, and when its status last changed.
    accepted_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    -- The transaction that decided it.
    transaction_id text NOT NULL DEFAULT '',
    -- The trace that the client began, empty when it began none.
    traceparent text NOT NULL DEFAULT ''
)
-- Room on each page for the one update that an order gets, so that no index has to change.
WITH (fillfactor = 60);

-- Which orders' status still has to be written to the state store: one row per transaction that changed any.
CREATE TABLE estado_pendiente (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_ids text [] NOT NULL,
    -- Whether somebody began to write it.
    tried boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now()
);
