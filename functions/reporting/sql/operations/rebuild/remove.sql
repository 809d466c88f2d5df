DELETE FROM ordenes
WHERE NOT EXISTS (SELECT FROM reconstruida WHERE reconstruida.id = ordenes.id)
