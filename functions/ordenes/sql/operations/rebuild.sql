-- Marks the next orders by id with one mark. Since `tried` says that a write was begun, Ordenes writes each status even
-- if it remembers having written it.
-- name: page
WITH pagina AS (
    SELECT id FROM ordenes
    WHERE id > %(after_id)s
    ORDER BY id
    LIMIT %(most)s
),

marca AS (
    INSERT INTO estado_pendiente (order_ids, tried)
    SELECT
        array_agg(id ORDER BY id),
        true
    FROM pagina
    HAVING count(*) > 0
    RETURNING id
)

SELECT
    (SELECT id FROM marca),
    (SELECT count(*) FROM pagina),
    (SELECT max(id) FROM pagina)

-- The oldest of all marks, and those of the given marks that are still there.
-- name: left
SELECT
    (SELECT coalesce(min(id), 0) FROM estado_pendiente),
    array(
        SELECT id FROM estado_pendiente
        WHERE id = any(%(marks)s::bigint [])
    )
