-- The orders that a report is about. Each kind of report reads them, and nothing else. A limit or a filter that is null is none.
-- `counted_at` is the time that decides whether an order lies in the period.
-- name: pedidas
WITH pedidas AS (
    SELECT
        id,
        client_id,
        status,
        total_cents,
        currency,
        version,
        created_at,
        updated_at,
        CASE WHEN %(by)s = 'updated' THEN updated_at ELSE created_at END AS counted_at
    FROM ordenes
    WHERE
        created_at >= coalesce(timestamptz 'epoch' + %(created_from_ms)s::bigint * interval '1 millisecond', '-infinity')
        AND created_at < coalesce(timestamptz 'epoch' + %(created_to_ms)s::bigint * interval '1 millisecond', 'infinity')
        AND updated_at >= coalesce(timestamptz 'epoch' + %(updated_from_ms)s::bigint * interval '1 millisecond', '-infinity')
        AND updated_at < coalesce(timestamptz 'epoch' + %(updated_to_ms)s::bigint * interval '1 millisecond', 'infinity')
        AND (%(status)s::text IS NULL OR status = %(status)s::text)
        AND (%(currency)s::text IS NULL OR currency = %(currency)s::text)
        AND (%(client_id)s::text IS NULL OR client_id = %(client_id)s::text::int)
)
