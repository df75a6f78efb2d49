-- XEP-0313: one row a message, shared by its two owners where both have it here. a: the recipient, where his archive holds it, else
-- the sender; b: the other side, whoever that is. a_owns, b_owns: whose archive holds it; an account that is no owner (any more) is
-- still the other's contact. id: 16 bytes made of what identifies the stanza. stamp_us orders an archive: no two rows of a store
-- have the same. stanza: as it was sent, without a stanza-id of ours.
-- Lines that begin with --postgresql: are PostgreSQL's alone. slot is a's.

CREATE TABLE archive (
    slot bigint NOT NULL,
    id bytea NOT NULL,
    stamp_us bigint NOT NULL,
    a text NOT NULL,
    a_resource text NOT NULL,
    a_owns smallint NOT NULL,
    b text NOT NULL,
    b_resource text NOT NULL,
    b_owns smallint NOT NULL,
    stanza bytea NOT NULL,
    PRIMARY KEY (id, slot)
)
--postgresql: PARTITION BY HASH (slot)
;
--postgresql: CREATE TABLE archive_0 PARTITION OF archive FOR VALUES WITH (MODULUS 16, REMAINDER 0);
--postgresql: CREATE TABLE archive_1 PARTITION OF archive FOR VALUES WITH (MODULUS 16, REMAINDER 1);
--postgresql: CREATE TABLE archive_2 PARTITION OF archive FOR VALUES WITH (MODULUS 16, REMAINDER 2);
--postgresql: CREATE TABLE archive_3 PARTITION OF archive FOR VALUES WITH (MODULUS 16, REMAINDER 3);
--postgresql: CREATE TABLE archive_4 PARTITION OF archive FOR VALUES WITH (MODULUS 16, REMAINDER 4);
--postgresql: CREATE TABLE archive_5 PARTITION OF archive FOR VALUES WITH (MODULUS 16, REMAINDER 5);
--postgresql: CREATE TABLE archive_6 PARTITION OF archive FOR VALUES WITH (MODULUS 16, REMAINDER 6);
--postgresql: CREATE TABLE archive_7 PARTITION OF archive FOR VALUES WITH (MODULUS 16, REMAINDER 7);
--postgresql: CREATE TABLE archive_8 PARTITION OF archive FOR VALUES WITH (MODULUS 16, REMAINDER 8);
--postgresql: CREATE TABLE archive_9 PARTITION OF archive FOR VALUES WITH (MODULUS 16, REMAINDER 9);
--postgresql: CREATE TABLE archive_10 PARTITION OF archive FOR VALUES WITH (MODULUS 16, REMAINDER 10);
--postgresql: CREATE TABLE archive_11 PARTITION OF archive FOR VALUES WITH (MODULUS 16, REMAINDER 11);
--postgresql: CREATE TABLE archive_12 PARTITION OF archive FOR VALUES WITH (MODULUS 16, REMAINDER 12);
--postgresql: CREATE TABLE archive_13 PARTITION OF archive FOR VALUES WITH (MODULUS 16, REMAINDER 13);
--postgresql: CREATE TABLE archive_14 PARTITION OF archive FOR VALUES WITH (MODULUS 16, REMAINDER 14);
--postgresql: CREATE TABLE archive_15 PARTITION OF archive FOR VALUES WITH (MODULUS 16, REMAINDER 15);
CREATE INDEX archive_a ON archive (a, stamp_us) WHERE a_owns = 1;
CREATE INDEX archive_b ON archive (b, stamp_us) WHERE b_owns = 1;
CREATE INDEX archive_pair ON archive (a, b, stamp_us);

-- What an account wants kept (XEP-0441). jid '': the default, with wish 0 always, 1 never, 2 roster; else an entry of a list.
CREATE TABLE archive_wish (
    slot bigint NOT NULL,
    account text NOT NULL,
    jid text NOT NULL,
    wish bigint NOT NULL,
    PRIMARY KEY (account, jid)
);

-- Deletions that were begun: rows of the account that are older go, in small steps, over restarts.
CREATE TABLE archive_purge (
    slot bigint NOT NULL,
    account text NOT NULL PRIMARY KEY,
    before_us bigint NOT NULL
);

-- An offline message that the recipient's archive holds is a mark of that row: archived is its id, and stanza is empty.
ALTER TABLE offline ADD COLUMN archived bytea;
