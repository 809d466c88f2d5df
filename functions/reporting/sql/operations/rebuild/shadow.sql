-- What the topic says of each order. Temporary: nobody else sees it, and it is gone with the connection.
CREATE TEMPORARY TABLE reconstruida (
    id text COLLATE "C" PRIMARY KEY,
    client_id integer NOT NULL,
    status text NOT NULL,
    total_cents bigint NOT NULL,
    currency text NOT NULL,
    version integer NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
)
