-- name: try_lock
SELECT pg_try_advisory_lock(%(key)s, hashtext(%(service)s))

-- name: holder
-- A role that may not see another role's session gets its columns as NULL.
SELECT a.pid,
    CASE
        WHEN a.backend_start IS NULL THEN 'a place and since a time that this role may not see'
        ELSE coalesce(host(a.client_addr), 'the server''s own machine')
            || to_char(a.backend_start, '" since "YYYY-MM-DD HH24:MI:SSOF')
    END
FROM pg_locks AS l LEFT JOIN pg_stat_activity AS a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND l.classid::bigint = %(key)s AND l.objid = hashtext(%(service)s)::bigint::bit(32)::bigint::oid
