-- Rows that no event tells of, and those with a version that none tells of.
SELECT
    count(*) FILTER (WHERE reconstruida.id IS NULL),
    count(*) FILTER (WHERE ordenes.version > reconstruida.version)
FROM ordenes
LEFT JOIN reconstruida ON ordenes.id = reconstruida.id
