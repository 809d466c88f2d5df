COPY llegada (id, client_id, status, total_cents, currency, version, created_at_ms, updated_at_ms) FROM STDIN
