-- Never waits behind a migration, so that nobody waits behind us; all rows are wanted, not the first ones soon.
-- name: settings
SET lock_timeout = '5s';
SET cursor_tuple_fraction = 1;
SET application_name = 'alpes reconcile'

-- name: is_standby
SELECT pg_is_in_recovery()
