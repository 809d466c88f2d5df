SELECT (extract(EPOCH FROM created_at) * 1000)::bigint FROM estado_pendiente
WHERE order_ids @> ARRAY[%(order_id)s]::text []
ORDER BY id
