-- name: orders
SELECT count(*) FROM ordenes

-- name: ended
SELECT count(*) FROM ordenes WHERE id >= %(first)s AND id <= %(last)s

-- When each row was committed, in Unix microseconds. The setting track_commit_timestamp must be on.
-- name: row_times
SELECT
    id,
    (extract(EPOCH FROM pg_xact_commit_timestamp(xmin)) * 1000000)::bigint
FROM ordenes
WHERE id >= %(first)s AND id < %(last)s

-- The numbers of rows, and of the transactions that wrote them. A later update of an order replaces its row's xmin. So
-- this query counts transactions by their start times, to the millisecond.
-- name: commits_crear_orden
SELECT
    count(*),
    count(DISTINCT accepted_at)
FROM ordenes
WHERE id >= %(first)s AND id < %(last)s

-- name: commits_orden_creada
SELECT
    count(*),
    count(DISTINCT xmin::text)
FROM transacciones
WHERE order_id >= %(first)s AND order_id < %(last)s

-- name: commits_transaccion_creada
SELECT
    count(*),
    count(DISTINCT xmin::text)
FROM ordenes
WHERE id >= %(first)s AND id < %(last)s AND version > 1

-- name: commits_orden_actualizada
SELECT
    count(*),
    count(DISTINCT xmin::text)
FROM ordenes
WHERE id >= %(first)s AND id < %(last)s

-- name: lag
SELECT
    coalesce(sum(cardinality(order_ids)), 0)::bigint,
    coalesce(extract(EPOCH FROM now() - min(created_at)), 0)::float8
FROM estado_pendiente

-- Without the number of changes: counting them would read all marks.
-- name: lag_age
SELECT
    0::bigint,
    coalesce(extract(EPOCH FROM now() - min(created_at)), 0)::float8
FROM estado_pendiente

-- name: activity
SELECT
    xact_commit,
    xact_rollback,
    tup_inserted,
    tup_updated,
    deadlocks
FROM pg_stat_database
WHERE datname = current_database()

-- name: sizes
SELECT
    relname,
    pg_total_relation_size(relid),
    n_live_tup,
    n_dead_tup,
    n_tup_ins,
    n_tup_upd,
    n_tup_hot_upd,
    autovacuum_count
FROM pg_stat_user_tables

-- name: wal
SELECT wal_bytes::bigint FROM pg_stat_wal
