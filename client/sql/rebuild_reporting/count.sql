SELECT count(*) FROM reconstruida
