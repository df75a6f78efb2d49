-- Which connection managers an account's sessions came through, for `incident c2s`: one row an account and c2s, to the minute.
-- plain_us: when a password of the account last passed through it in clear; 0: never. expired_us: when an administrator demanded a
-- new password; 0: not. Sessions that are open when this is applied are taken over.

CREATE TABLE c2s_use (
    slot bigint NOT NULL,
    account text NOT NULL,
    c2s text NOT NULL,
    first_us bigint NOT NULL,
    last_us bigint NOT NULL,
    plain_us bigint NOT NULL,
    PRIMARY KEY (account, c2s)
);
CREATE UNIQUE INDEX c2s_use_c2s ON c2s_use (c2s, account);

INSERT INTO c2s_use (slot, account, c2s, first_us, last_us, plain_us)
    SELECT slot, account, c2s, min(opened_us), max(opened_us), 0 FROM session GROUP BY slot, account, c2s;

ALTER TABLE account ADD COLUMN expired_us bigint NOT NULL DEFAULT 0;
