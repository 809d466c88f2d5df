-- Windows of time in which orders were accepted, each with a timer under way that lets expire those still unpaid.
CREATE TABLE vencimientos (
    accepted_from timestamptz NOT NULL,
    accepted_until timestamptz NOT NULL,
    PRIMARY KEY (accepted_from, accepted_until)
);

-- Finds a window's orders. Rows come in the order of their acceptance, so a summary of each range of pages is enough; and
-- unlike a tree that knows the status, it costs an order next to nothing.
CREATE INDEX ordenes_accepted_at ON ordenes USING brin (accepted_at) WITH (pages_per_range = 16, autosummarize = on);
