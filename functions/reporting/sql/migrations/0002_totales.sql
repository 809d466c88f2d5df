-- Running totals per status and currency, kept in the transaction that changes the rows of `ordenes`, whoever changes them.
-- Writers wait while the rows that exist are counted; readers don't.
LOCK TABLE ordenes IN SHARE ROW EXCLUSIVE MODE;

-- Internal. A transaction adds what it changed to the rows of one slot, and holds that slot until it ends, so that instances
-- don't wait for each other. Only the sum over all slots means something: a single row may be negative.
CREATE TABLE totales_parciales (
    slot smallint NOT NULL,
    status text NOT NULL,
    currency text NOT NULL,
    orders bigint NOT NULL,
    total_cents numeric NOT NULL,
    PRIMARY KEY (slot, status, currency)
)
-- Each group updates the same few rows: with room in each page, an update touches no index and needs no vacuum.
WITH (fillfactor = 25);

-- Readers may rely on every column. A currency that once had orders stays, with zeros.
CREATE VIEW totales AS
SELECT
    status,
    currency,
    sum(orders)::bigint AS orders,
    sum(total_cents) AS total_cents
FROM totales_parciales
GROUP BY status, currency;

-- Takes the first slot that no other transaction holds. Where all are held it waits for the last.
CREATE FUNCTION totales_slot() RETURNS smallint LANGUAGE plpgsql AS $$
DECLARE
    lock_space CONSTANT integer := 1953460332; -- "totl": any constant does
    last_slot CONSTANT integer := 15;
BEGIN
    FOR slot IN 0..last_slot LOOP
        IF pg_try_advisory_xact_lock(lock_space, slot) THEN
            RETURN slot;
        END IF;
    END LOOP;
    PERFORM pg_advisory_xact_lock(lock_space, last_slot);
    RETURN last_slot;
END
$$;

-- Adds what a statement really changed. One that changes no total, such as an order that comes again, takes no slot.
CREATE FUNCTION totales_llevar() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO totales_parciales AS parcial (slot, status, currency, orders, total_cents)
        SELECT (SELECT totales_slot()), status, currency, count(*), sum(total_cents)
        FROM nuevas
        GROUP BY status, currency
        ON CONFLICT (slot, status, currency) DO UPDATE
        SET
            orders = parcial.orders + excluded.orders,
            total_cents = parcial.total_cents + excluded.total_cents;
    ELSIF TG_OP = 'UPDATE' THEN
        -- As most groups hold new orders alone.
        IF NOT EXISTS (SELECT FROM nuevas) THEN
            RETURN NULL;
        END IF;
        INSERT INTO totales_parciales AS parcial (slot, status, currency, orders, total_cents)
        SELECT (SELECT totales_slot()), status, currency, sum(orders), sum(total_cents)
        FROM (
            SELECT status, currency, 1 AS orders, total_cents FROM nuevas
            UNION ALL
            SELECT status, currency, -1, -total_cents FROM viejas
        ) AS cambio
        GROUP BY status, currency
        HAVING sum(orders) <> 0 OR sum(total_cents) <> 0
        ON CONFLICT (slot, status, currency) DO UPDATE
        SET
            orders = parcial.orders + excluded.orders,
            total_cents = parcial.total_cents + excluded.total_cents;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO totales_parciales AS parcial (slot, status, currency, orders, total_cents)
        SELECT (SELECT totales_slot()), status, currency, -count(*), -sum(total_cents)
        FROM viejas
        GROUP BY status, currency
        ON CONFLICT (slot, status, currency) DO UPDATE
        SET
            orders = parcial.orders + excluded.orders,
            total_cents = parcial.total_cents + excluded.total_cents;
    ELSE
        UPDATE totales_parciales SET orders = 0, total_cents = 0;
    END IF;
    RETURN NULL;
END
$$;

-- The function has its owner's rights: it must find its own tables, whatever the caller's search path names.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION totales_slot() SET search_path = %I, pg_temp', current_schema());
    EXECUTE format('ALTER FUNCTION totales_llevar() SET search_path = %I, pg_temp', current_schema());
END
$$;

-- INSERT … ON CONFLICT DO UPDATE fires both of the first two, each with the rows that it inserted or updated.
CREATE TRIGGER totales_insert AFTER INSERT ON ordenes
REFERENCING NEW TABLE AS nuevas
FOR EACH STATEMENT EXECUTE FUNCTION totales_llevar();

CREATE TRIGGER totales_update AFTER UPDATE ON ordenes
REFERENCING OLD TABLE AS viejas NEW TABLE AS nuevas
FOR EACH STATEMENT EXECUTE FUNCTION totales_llevar();

CREATE TRIGGER totales_delete AFTER DELETE ON ordenes
REFERENCING OLD TABLE AS viejas
FOR EACH STATEMENT EXECUTE FUNCTION totales_llevar();

CREATE TRIGGER totales_truncate AFTER TRUNCATE ON ordenes
FOR EACH STATEMENT EXECUTE FUNCTION totales_llevar();

INSERT INTO totales_parciales (slot, status, currency, orders, total_cents)
SELECT 0, status, currency, count(*), sum(total_cents)
FROM ordenes
GROUP BY status, currency;
