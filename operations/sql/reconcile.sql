-- We never wait behind a migration, so that nobody waits behind us. The plans are for all rows, not for the first ones.
-- name: settings
SET lock_timeout = '5s';
SET cursor_tuple_fraction = 1;
SET application_name = 'alpes reconcile'

-- name: is_standby
SELECT pg_is_in_recovery()
