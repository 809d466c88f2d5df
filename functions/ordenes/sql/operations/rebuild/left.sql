-- Those of the marks that are still there, and the oldest of anybody's.
SELECT
    (SELECT coalesce(min(id), 0) FROM estado_pendiente),
    array(
        SELECT id FROM estado_pendiente
        WHERE id = any(%(marks)s::bigint [])
    )
