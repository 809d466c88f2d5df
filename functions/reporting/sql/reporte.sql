-- Passes over the rows of a cursor that weren't fetched; the answer says how many they were.
-- name: rest
MOVE FORWARD ALL FROM {cursor}

-- Whether an order is or was in a currency.
-- name: currency_known
SELECT EXISTS (SELECT FROM totales WHERE currency = %(currency)s)
