SELECT id FROM estado_pendiente
WHERE id = any(%(marks)s::bigint [])
