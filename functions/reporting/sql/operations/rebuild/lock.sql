-- Reporting waits with its next group; readers don't.
LOCK TABLE ordenes IN SHARE ROW EXCLUSIVE MODE
