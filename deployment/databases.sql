-- name: try_lock
SELECT pg_try_advisory_lock(%(key)s)

-- name: holder
SELECT a.pid, coalesce(host(a.client_addr), 'the server''s own machine'), a.backend_start
FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.classid = 0 AND l.objid = %(key)s AND l.database = a.datid
