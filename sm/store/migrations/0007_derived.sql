-- SCRAM keys that were derived from a password of a directory carry what the directory showed of that password (pwdLastSet,
-- pwdChangedTime, ...): another mark, another password, and they are dropped. '': keys of the store's own accounts.

ALTER TABLE secret ADD COLUMN mark text NOT NULL DEFAULT '';
