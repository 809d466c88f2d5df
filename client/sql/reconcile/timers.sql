SELECT count(*) FROM vencimientos
