-- One row per order whose outcome is known. Readers may rely on every column.
CREATE TABLE ordenes (
    id text COLLATE "C" PRIMARY KEY,
    client_id integer NOT NULL,
    status text NOT NULL CHECK (status IN ('aprobada', 'rechazada', 'expirada', 'reembolsada')),
    total_cents bigint NOT NULL CHECK (total_cents >= 0),
    currency text NOT NULL,
    -- The change that this row shows; of two, the higher is the later.
    version integer NOT NULL,
    -- When the client created the order, and when its status last changed.
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
