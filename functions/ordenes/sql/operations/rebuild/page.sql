-- The next orders by id, as one mark. It says that somebody began to write it: then it is written whatever memory says.
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
