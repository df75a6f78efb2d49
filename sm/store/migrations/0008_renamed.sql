-- Whose entry's key is known, and the name of whose account is not: people whom the directory has renamed (sm/auth/renamed.c).

CREATE INDEX account_key ON account (directory_key, host, jid);
