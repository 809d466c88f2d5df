TRUNCATE llegada
