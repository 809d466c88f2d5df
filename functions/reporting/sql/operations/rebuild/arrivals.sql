-- What was read last, and is not in the shadow yet.
CREATE TEMPORARY TABLE llegada (
    id text COLLATE "C" NOT NULL,
    client_id integer NOT NULL,
    status text NOT NULL,
    total_cents bigint NOT NULL,
    currency text NOT NULL,
    version integer NOT NULL,
    created_at_ms bigint NOT NULL,
    updated_at_ms bigint NOT NULL
)
