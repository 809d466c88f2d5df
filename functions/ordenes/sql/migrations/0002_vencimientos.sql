-- Windows of time in which orders were accepted, each with a timer under way that lets expire those still unpaid.
CREATE TABLE vencimientos (
    accepted_from timestamptz NOT NULL,
    accepted_until timestamptz NOT NULL,
    -- Whether its timer has arrived once. Until then, repeated orders of the window start it again.
    armed boolean NOT NULL DEFAULT false,
    PRIMARY KEY (accepted_from, accepted_until)
);

-- Orders that wait already: the first timer of any new order finds their windows.
INSERT INTO vencimientos (accepted_from, accepted_until)
SELECT DISTINCT
    date_trunc('minute', accepted_at),
    date_trunc('minute', accepted_at) + interval '1 minute'
FROM ordenes
WHERE status = 'creada';

-- Finds a window's orders. Rows come in the order of their acceptance, so a summary of each range of pages is enough; and
-- unlike a tree that knows the status, it costs an order next to nothing.
CREATE INDEX ordenes_accepted_at ON ordenes USING brin (accepted_at) WITH (pages_per_range = 16, autosummarize = on);
