-- Find the orders of a period. Rows come in the order of their ends, so a summary of each range of pages is enough, and costs an
-- order next to nothing. It holds several spans of time for each range, so that one order of a client whose clock is a year off
-- doesn't make a range look as if it spanned that year.
CREATE INDEX ordenes_created_at ON ordenes USING brin (created_at timestamptz_minmax_multi_ops)
WITH (pages_per_range = 16, autosummarize = on);
CREATE INDEX ordenes_updated_at ON ordenes USING brin (updated_at timestamptz_minmax_multi_ops)
WITH (pages_per_range = 16, autosummarize = on);
