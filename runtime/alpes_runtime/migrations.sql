-- name: lock
SELECT pg_advisory_lock(%(lock)s)

-- name: create_versions
CREATE TABLE IF NOT EXISTS schema_migrations (
    version text PRIMARY KEY,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)

-- name: applied
SELECT version, checksum FROM schema_migrations

-- name: record
INSERT INTO schema_migrations (version, checksum) VALUES (%(version)s, %(checksum)s)
