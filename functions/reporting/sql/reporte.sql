-- Passes over the rows of a cursor that weren't fetched; the answer says how many they were.
-- name: rest
MOVE FORWARD ALL FROM {cursor}
