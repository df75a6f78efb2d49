-- The first schema. Text that SQLite and PostgreSQL both accept: types bigint, smallint, text and bytea, times in
-- microseconds since 1970, truth as 0 and 1. The slot (ARCHITECTURE section 5) is the first column of every table that grows with
-- the number of accounts. Files are never changed once released: what comes later is the next number.

CREATE TABLE meta (
    name text NOT NULL PRIMARY KEY,
    value bytea NOT NULL
);

CREATE TABLE account (
    slot bigint NOT NULL,
    jid text NOT NULL PRIMARY KEY,
    host text NOT NULL,
    created_us bigint NOT NULL,
    roster_version bigint NOT NULL
);
CREATE UNIQUE INDEX account_host ON account (host, jid);

CREATE TABLE secret (
    slot bigint NOT NULL,
    jid text NOT NULL,
    mechanism text NOT NULL,
    secret text NOT NULL,
    PRIMARY KEY (jid, mechanism)
);

CREATE TABLE session (
    slot bigint NOT NULL,
    id bytea NOT NULL PRIMARY KEY,
    account text NOT NULL,
    c2s text NOT NULL,
    conn text NOT NULL,
    addr text,
    opened_us bigint NOT NULL,
    resource text,
    presence bytea,
    priority bigint NOT NULL DEFAULT 0,
    interested smallint NOT NULL DEFAULT 0,
    directed text,
    up bigint NOT NULL DEFAULT 0
);

CREATE TABLE queue (
    slot bigint NOT NULL,
    session bytea NOT NULL,
    seq bigint NOT NULL,
    id bytea NOT NULL,
    payload bytea NOT NULL,
    PRIMARY KEY (session, seq)
);
CREATE UNIQUE INDEX queue_id ON queue (session, id);

CREATE TABLE roster (
    slot bigint NOT NULL,
    account text NOT NULL,
    contact text NOT NULL,
    name text,
    groups text,
    state bigint NOT NULL,
    listed smallint NOT NULL,
    request bytea,
    version bigint NOT NULL,
    PRIMARY KEY (account, contact)
);

CREATE TABLE offline (
    slot bigint NOT NULL,
    account text NOT NULL,
    id bytea NOT NULL,
    stamp_us bigint NOT NULL,
    stanza bytea NOT NULL,
    delivered_us bigint NOT NULL,
    PRIMARY KEY (account, id)
);
CREATE INDEX offline_delivered ON offline (delivered_us) WHERE delivered_us > 0;

CREATE TABLE data (
    slot bigint NOT NULL,
    account text NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    xml bytea NOT NULL,
    PRIMARY KEY (account, kind, name)
);
