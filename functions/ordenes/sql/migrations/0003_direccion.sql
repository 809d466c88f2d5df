-- The address in parts, as the client sent them; null if it sent the line alone. It is written once and never searched, so
-- it is json: kept as it was written, and cheaper to insert than jsonb.
ALTER TABLE ordenes ADD COLUMN direccion json;
