-- Whether an account may exchange stanzas with domains that are not hosted here: what the groups of its directory said at its last
-- login. 1 without such a rule.

ALTER TABLE account ADD COLUMN outside smallint NOT NULL DEFAULT 1;
