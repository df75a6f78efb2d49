-- XEP-0191: whom an account has blocked, one row a JID.

CREATE TABLE blocked (
    slot bigint NOT NULL,
    account text NOT NULL,
    jid text NOT NULL,
    PRIMARY KEY (account, jid)
);
