-- Accounts whose password is in a directory belong to one entry of it, by the entry's key (entryUUID, objectGUID): whoever gets the
-- name later is somebody else. '': none, so far.

ALTER TABLE account ADD COLUMN directory_key text NOT NULL DEFAULT '';
