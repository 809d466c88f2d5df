-- The next orders by id, as one mark. It says that somebody began to write it: then it is written whatever memory says.
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

-- Those of the marks that are still there, and the oldest of anybody's.
-- name: left
SELECT
    (SELECT coalesce(min(id), 0) FROM estado_pendiente),
    array(
        SELECT id FROM estado_pendiente
        WHERE id = any(%(marks)s::bigint [])
    )
