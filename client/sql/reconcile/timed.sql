-- Those of some orders that a timer will look at.
SELECT orden.id
FROM ordenes AS orden
WHERE
    orden.id = any(%(ids)s::text [])
    AND EXISTS (
        SELECT FROM vencimientos AS ventana
        WHERE orden.accepted_at >= ventana.accepted_from AND orden.accepted_at < ventana.accepted_until
    )
