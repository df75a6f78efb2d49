/* Every statement that is ever run, once: its name and its text. */
#ifndef SM_STORE_STATEMENTS_H
#define SM_STORE_STATEMENTS_H

/* X(NAME, "sql"): the text is read by SQLite and PostgreSQL alike: parameters $1… in order of first appearance, times are bigint
 * microseconds, booleans smallint 0/1, blobs bytea. Columns and parameters of a statement are its contract: they stand in the SQL. */
#define STORE_STATEMENTS(X) \
    /* meta: epoch, keys */ \
    X(META_GET, "SELECT value FROM meta WHERE name = $1") \
    X(META_PUT, "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value") \
    X(META_DELETE, "DELETE FROM meta WHERE name = $1") \
    X(MIGRATION_GET, "SELECT done_us FROM migration WHERE version = $1") \
    /* accounts and SCRAM keys (RFC 5803 form, one row a mechanism) */ \
    X(ACCOUNT_GET, "SELECT created_us, roster_version, outside, directory_key FROM account WHERE jid = $1") \
    X(ACCOUNT_NEW, "INSERT INTO account (slot, jid, host, created_us, roster_version) VALUES ($1, $2, $3, $4, 0)") \
    X(ACCOUNT_DELETE, "DELETE FROM account WHERE jid = $1") \
    X(ACCOUNT_LIST, "SELECT jid, created_us FROM account WHERE host = $1 AND jid > $2 ORDER BY jid LIMIT $3") \
    X(ACCOUNT_COUNT, "SELECT count(*) FROM account WHERE host = $1") \
    X(ACCOUNT_OUTSIDE, "UPDATE account SET outside = $1 WHERE jid = $2") \
    X(ACCOUNT_EXPIRE, "UPDATE account SET expired_us = $1 WHERE jid = $2") \
    /* accounts whose password is in a directory: the key of the entry that they belong to; '': none yet */ \
    X(ACCOUNT_KEY, "SELECT directory_key, expired_us FROM account WHERE jid = $1") \
    X(ACCOUNT_NEW_KEYED, "INSERT INTO account (slot, jid, host, created_us, roster_version, directory_key) VALUES ($1, $2, $3, $4, 0, $5) ON CONFLICT (jid) DO NOTHING") \
    X(ACCOUNT_CLAIM, "UPDATE account SET directory_key = $1 WHERE jid = $2 AND directory_key = ''") \
    X(ACCOUNT_CLAIM_KEYLESS, "UPDATE account SET directory_key = $1 WHERE jid = $2 AND directory_key = '' AND NOT EXISTS (SELECT 1 FROM secret WHERE secret.jid = account.jid AND secret.mark = '')") \
    X(ACCOUNT_OF_KEY, "SELECT jid, (SELECT count(*) FROM secret WHERE secret.jid = account.jid AND secret.mark = '') FROM account WHERE directory_key = $1 AND host = $2 ORDER BY jid LIMIT 16") \
    X(ACCOUNT_ACCEPT, "UPDATE account SET directory_key = '', expired_us = 0 WHERE jid = $1") \
    X(SECRET_GET, "SELECT secret.secret, account.expired_us FROM secret JOIN account ON account.jid = secret.jid WHERE secret.jid = $1 AND secret.mark = '' ORDER BY secret.mechanism") \
    X(SECRET_PUT, "INSERT INTO secret (slot, jid, mechanism, secret, mark) SELECT slot, jid, $1, $2, '' FROM account WHERE jid = $3 ON CONFLICT (jid, mechanism) DO UPDATE SET secret = excluded.secret, mark = excluded.mark") \
    X(SECRET_DELETE, "DELETE FROM secret WHERE jid = $1") \
    /* hosts with both: whose account it is, and all keys; keys derived from a directory's password have its mark */ \
    X(SECRET_ALL, "SELECT account.directory_key, account.expired_us, coalesce(secret.secret, ''), coalesce(secret.mark, '') FROM account LEFT JOIN secret ON secret.jid = account.jid WHERE account.jid = $1 ORDER BY secret.mechanism") \
    X(SECRET_DERIVE, "INSERT INTO secret (slot, jid, mechanism, secret, mark) SELECT slot, jid, $1, $2, $3 FROM account WHERE jid = $4 AND directory_key = $5 ON CONFLICT (jid, mechanism) DO UPDATE SET secret = excluded.secret, mark = excluded.mark") \
    X(SECRET_DROP, "DELETE FROM secret WHERE jid = $1 AND mark <> ''") \
    /* sessions: a new owner needs these (ARCHITECTURE section 5) */ \
    X(SESSION_NEW, "INSERT INTO session (slot, id, account, c2s, conn, addr, opened_us) VALUES ($1, $2, $3, $4, $5, $6, $7)") \
    X(SESSION_BIND, "UPDATE session SET resource = $1, up = $2 WHERE id = $3") \
    X(SESSION_SAVE, "UPDATE session SET presence = $1, priority = $2, interested = $3, directed = $4, up = $5 WHERE id = $6") \
    X(SESSION_UP, "UPDATE session SET up = $1 WHERE id = $2 AND up < $1") \
    X(SESSION_DELETE, "DELETE FROM session WHERE id = $1") \
    X(SESSION_ORPHAN, "UPDATE session SET conn = $1") \
    X(SESSION_ALL, "SELECT id, account, c2s, conn, addr, opened_us, resource, presence, priority, interested, directed, up FROM session") \
    /* which accounts used which c2s: to the minute, so that most logins write nothing (sm/incident.h) */ \
    X(USE_PUT, "INSERT INTO c2s_use (c2s, first_us, last_us, plain_us, slot, account) SELECT $1, CAST($2 AS bigint), CAST($3 AS bigint), CAST($4 AS bigint), slot, jid FROM account WHERE jid = $5 ON CONFLICT (account, c2s) DO UPDATE SET last_us = excluded.last_us, plain_us = CASE WHEN excluded.plain_us > c2s_use.plain_us THEN excluded.plain_us ELSE c2s_use.plain_us END WHERE excluded.last_us >= c2s_use.last_us + 60000000 OR excluded.plain_us >= c2s_use.plain_us + 60000000") \
    X(USE_LIST, "SELECT account, first_us, last_us, plain_us FROM c2s_use WHERE c2s = $1 AND account > $2 ORDER BY account LIMIT $3") \
    X(USE_CLEAR, "DELETE FROM c2s_use WHERE account = $1") \
    X(USE_NEXT, "SELECT account FROM c2s_use WHERE account > $1 ORDER BY account LIMIT 1 OFFSET 2000") \
    X(USE_SWEEP, "DELETE FROM c2s_use WHERE account > $1 AND account <= $2 AND last_us < $3") \
    X(USE_SWEEP_REST, "DELETE FROM c2s_use WHERE account > $1 AND last_us < $2") \
    /* what a client has not taken in time */ \
    X(QUEUE_PUT, "INSERT INTO queue (slot, session, seq, id, payload) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (session, id) DO NOTHING") \
    X(QUEUE_GET, "SELECT seq, id, payload FROM queue WHERE session = $1 AND seq > $2 ORDER BY seq LIMIT $3") \
    X(QUEUE_DELETE, "DELETE FROM queue WHERE session = $1 AND seq = $2") \
    X(QUEUE_DELETE_ID, "DELETE FROM queue WHERE session = $1 AND id = $2") \
    X(QUEUE_SESSIONS, "SELECT DISTINCT session FROM queue") \
    X(QUEUE_CLEAR, "DELETE FROM queue WHERE session = $1") \
    /* rosters */ \
    X(ROSTER_LOAD, "SELECT contact, name, groups, state, listed, request, version FROM roster WHERE account = $1") \
    X(ROSTER_PUT, "INSERT INTO roster (slot, account, contact, name, groups, state, listed, request, version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (account, contact) DO UPDATE SET name = excluded.name, groups = excluded.groups, state = excluded.state, listed = excluded.listed, request = excluded.request, version = excluded.version") \
    X(ROSTER_DELETE, "DELETE FROM roster WHERE account = $1 AND contact = $2") \
    X(ROSTER_CLEAR, "DELETE FROM roster WHERE account = $1") \
    X(ROSTER_VERSION, "UPDATE account SET roster_version = $1 WHERE jid = $2") \
    X(ROSTER_LEAP, "UPDATE account SET roster_version = CASE WHEN roster_version < $1 THEN $1 ELSE roster_version + 1 END WHERE roster_version > 0") \
    /* blocklists (XEP-0191) */ \
    X(BLOCK_LOAD, "SELECT jid FROM blocked WHERE account = $1") \
    X(BLOCK_PUT, "INSERT INTO blocked (slot, account, jid) VALUES ($1, $2, $3) ON CONFLICT (account, jid) DO NOTHING") \
    X(BLOCK_DELETE, "DELETE FROM blocked WHERE account = $1 AND jid = $2") \
    X(BLOCK_CLEAR, "DELETE FROM blocked WHERE account = $1") \
    /* offline messages: marked when delivered, so that an id is refused twice; purged after a day */ \
    X(OFFLINE_PUT, "INSERT INTO offline (slot, account, id, stamp_us, stanza, delivered_us, archived) VALUES ($1, $2, $3, $4, $5, 0, $6) ON CONFLICT (account, id) DO NOTHING") \
    X(OFFLINE_COUNT, "SELECT count(*) FROM offline WHERE account = $1 AND delivered_us = 0") \
    X(OFFLINE_NEXT, "SELECT o.id, o.stamp_us, o.stanza, o.archived, m.stanza FROM offline o LEFT JOIN archive m ON m.id = o.archived AND m.slot = o.slot AND m.a_owns = 1 WHERE o.account = $1 AND o.delivered_us = 0 AND o.stamp_us > $2 ORDER BY o.stamp_us, o.id LIMIT $3") \
    X(OFFLINE_MARK, "UPDATE offline SET delivered_us = $1, stanza = '' WHERE account = $2 AND id = $3 AND delivered_us = 0") \
    X(OFFLINE_PURGE, "DELETE FROM offline WHERE delivered_us > 0 AND delivered_us < $1") \
    X(OFFLINE_CLEAR, "DELETE FROM offline WHERE account = $1") \
    /* the archive (sm/archive.h): a row is found by a's owner in one partition, by b's in all; each side has an order and a limit \
     * of its own, without which PostgreSQL would sort all of it */ \
    X(ARCHIVE_PUT, "INSERT INTO archive (slot, id, stamp_us, a, a_resource, a_owns, b, b_resource, b_owns, stanza) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (id, slot) DO NOTHING") \
    X(ARCHIVE_FIND, "SELECT stamp_us FROM archive WHERE id = $1 AND ((a = $2 AND a_owns = 1) OR (b = $2 AND b_owns = 1)) AND stamp_us > $3") \
    X(ARCHIVE_UP, "SELECT id, stamp_us, stanza FROM (SELECT id, stamp_us, stanza FROM archive WHERE slot = $1 AND a = $2 AND a_owns = 1 AND stamp_us > $3 AND stamp_us < $4 ORDER BY stamp_us LIMIT $5) AS one UNION ALL SELECT id, stamp_us, stanza FROM (SELECT id, stamp_us, stanza FROM archive WHERE b = $2 AND b_owns = 1 AND stamp_us > $3 AND stamp_us < $4 ORDER BY stamp_us LIMIT $5) AS two ORDER BY stamp_us LIMIT $5") \
    X(ARCHIVE_DOWN, "SELECT id, stamp_us, stanza FROM (SELECT id, stamp_us, stanza FROM archive WHERE slot = $1 AND a = $2 AND a_owns = 1 AND stamp_us > $3 AND stamp_us < $4 ORDER BY stamp_us DESC LIMIT $5) AS one UNION ALL SELECT id, stamp_us, stanza FROM (SELECT id, stamp_us, stanza FROM archive WHERE b = $2 AND b_owns = 1 AND stamp_us > $3 AND stamp_us < $4 ORDER BY stamp_us DESC LIMIT $5) AS two ORDER BY stamp_us DESC LIMIT $5") \
    X(ARCHIVE_COUNT, "SELECT count(*) FROM (SELECT stamp_us FROM archive WHERE slot = $1 AND a = $2 AND a_owns = 1 AND stamp_us > $3 AND stamp_us < $4 UNION ALL SELECT stamp_us FROM archive WHERE b = $2 AND b_owns = 1 AND stamp_us > $3 AND stamp_us < $4) AS found") \
    X(ARCHIVE_UP_WITH, "SELECT id, stamp_us, stanza FROM (SELECT id, stamp_us, stanza FROM archive WHERE slot = $1 AND a = $2 AND b = $3 AND b_owns = 1 AND (a_resource = $4 OR $4 = '') AND stamp_us > $5 AND stamp_us < $6 ORDER BY stamp_us LIMIT $7) AS one UNION ALL SELECT id, stamp_us, stanza FROM (SELECT id, stamp_us, stanza FROM archive WHERE slot = $8 AND a = $3 AND a_owns = 1 AND b = $2 AND (b_resource = $4 OR $4 = '' OR (a = b AND a_resource = $4)) AND stamp_us > $5 AND stamp_us < $6 ORDER BY stamp_us LIMIT $7) AS two ORDER BY stamp_us LIMIT $7") \
    X(ARCHIVE_DOWN_WITH, "SELECT id, stamp_us, stanza FROM (SELECT id, stamp_us, stanza FROM archive WHERE slot = $1 AND a = $2 AND b = $3 AND b_owns = 1 AND (a_resource = $4 OR $4 = '') AND stamp_us > $5 AND stamp_us < $6 ORDER BY stamp_us DESC LIMIT $7) AS one UNION ALL SELECT id, stamp_us, stanza FROM (SELECT id, stamp_us, stanza FROM archive WHERE slot = $8 AND a = $3 AND a_owns = 1 AND b = $2 AND (b_resource = $4 OR $4 = '' OR (a = b AND a_resource = $4)) AND stamp_us > $5 AND stamp_us < $6 ORDER BY stamp_us DESC LIMIT $7) AS two ORDER BY stamp_us DESC LIMIT $7") \
    X(ARCHIVE_COUNT_WITH, "SELECT count(*) FROM (SELECT stamp_us FROM archive WHERE slot = $1 AND a = $2 AND b = $3 AND b_owns = 1 AND (a_resource = $4 OR $4 = '') AND stamp_us > $5 AND stamp_us < $6 UNION ALL SELECT stamp_us FROM archive WHERE slot = $7 AND a = $3 AND a_owns = 1 AND b = $2 AND (b_resource = $4 OR $4 = '' OR (a = b AND a_resource = $4)) AND stamp_us > $5 AND stamp_us < $6) AS found") \
    X(ARCHIVE_NTH, "SELECT stamp_us FROM archive WHERE slot = $1 AND a = $2 AND a_owns = 1 UNION ALL SELECT stamp_us FROM archive WHERE b = $2 AND b_owns = 1 ORDER BY stamp_us DESC LIMIT 1 OFFSET $3") \
    /* deletion, some rows at a time: those that nobody else has are deleted, of the others the account is no owner any more */ \
    X(ARCHIVE_DROP_A, "DELETE FROM archive WHERE (id, slot) IN (SELECT id, slot FROM archive WHERE slot = $1 AND a = $2 AND a_owns = 1 AND stamp_us < $3 AND (b_owns = 0 OR stamp_us < $4) ORDER BY stamp_us LIMIT $5)") \
    X(ARCHIVE_LEAVE_A, "UPDATE archive SET a_owns = 0 WHERE (id, slot) IN (SELECT id, slot FROM archive WHERE slot = $1 AND a = $2 AND a_owns = 1 AND stamp_us < $3 ORDER BY stamp_us LIMIT $4)") \
    X(ARCHIVE_DROP_B, "DELETE FROM archive WHERE (id, slot) IN (SELECT id, slot FROM archive WHERE b = $1 AND b_owns = 1 AND stamp_us < $2 AND (a_owns = 0 OR stamp_us < $3) ORDER BY stamp_us LIMIT $4)") \
    X(ARCHIVE_LEAVE_B, "UPDATE archive SET b_owns = 0 WHERE (id, slot) IN (SELECT id, slot FROM archive WHERE b = $1 AND b_owns = 1 AND stamp_us < $2 ORDER BY stamp_us LIMIT $3)") \
    X(ARCHIVE_PURGE_PUT, "INSERT INTO archive_purge (slot, account, before_us) VALUES ($1, $2, $3) ON CONFLICT (account) DO UPDATE SET before_us = excluded.before_us WHERE excluded.before_us > archive_purge.before_us") \
    X(ARCHIVE_PURGE_NEXT, "SELECT account, before_us FROM archive_purge WHERE account > $1 ORDER BY account LIMIT 1") \
    X(ARCHIVE_PURGE_DONE, "DELETE FROM archive_purge WHERE account = $1 AND before_us = $2") \
    X(WISH_LOAD, "SELECT jid, wish FROM archive_wish WHERE account = $1") \
    X(WISH_PUT, "INSERT INTO archive_wish (slot, account, jid, wish) VALUES ($1, $2, $3, $4)") \
    X(WISH_CLEAR, "DELETE FROM archive_wish WHERE account = $1") \
    /* an account gets another name: with its slot, or where others name it */ \
    X(RENAME_MAY, "SELECT before_us FROM archive_purge WHERE account = $1") \
    X(RENAME_CONTACT_CLEAR, "DELETE FROM roster WHERE contact = $1 AND account IN (SELECT account FROM roster WHERE contact = $2)") \
    X(RENAME_CONTACT_VERSION, "UPDATE account SET roster_version = roster_version + 2 WHERE jid <> $1 AND jid IN (SELECT account FROM roster WHERE contact = $2)") \
    X(RENAME_CONTACT, "UPDATE roster SET contact = $1 WHERE contact = $2") \
    X(RENAME_BLOCKED, "UPDATE blocked SET jid = $1 WHERE jid = $2 AND account NOT IN (SELECT account FROM blocked WHERE jid = $1)") \
    X(RENAME_SECRET, "UPDATE secret SET slot = $1, jid = $2 WHERE jid = $3") \
    X(RENAME_ROSTER, "UPDATE roster SET slot = $1, account = $2 WHERE account = $3") \
    X(RENAME_BLOCK, "UPDATE blocked SET slot = $1, account = $2 WHERE account = $3") \
    X(RENAME_OFFLINE, "UPDATE offline SET slot = $1, account = $2 WHERE account = $3") \
    X(RENAME_DATA, "UPDATE data SET slot = $1, account = $2 WHERE account = $3") \
    X(RENAME_USE, "UPDATE c2s_use SET slot = $1, account = $2 WHERE account = $3") \
    X(RENAME_WISH, "UPDATE archive_wish SET slot = $1, account = $2 WHERE account = $3") \
    X(RENAME_PURGE, "UPDATE archive_purge SET slot = $1, account = $2 WHERE account = $3") \
    X(RENAME_ARCHIVE_A, "UPDATE archive SET slot = $1, a = $2 WHERE a = $3") \
    X(RENAME_ARCHIVE_B, "UPDATE archive SET b = $1 WHERE b = $2 AND b_owns = 1") \
    X(RENAME_ACCOUNT, "UPDATE account SET slot = $1, jid = $2 WHERE jid = $3") \
    /* XML of extensions */ \
    X(DATA_GET, "SELECT xml FROM data WHERE account = $1 AND kind = $2 AND name = $3") \
    X(DATA_PUT, "INSERT INTO data (slot, account, kind, name, xml) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (account, kind, name) DO UPDATE SET xml = excluded.xml") \
    X(DATA_DELETE, "DELETE FROM data WHERE account = $1 AND kind = $2 AND name = $3") \
    X(DATA_BYTES, "SELECT coalesce(sum(length(xml)), 0) FROM data WHERE account = $1") \
    X(DATA_CLEAR, "DELETE FROM data WHERE account = $1")

#define STORE_NAME(name, sql) STORE_##name,
enum store_statement { STORE_STATEMENTS(STORE_NAME) STORE_STATEMENT_COUNT };
#undef STORE_NAME

extern const char *const store_statement_texts[STORE_STATEMENT_COUNT];
extern const char *const store_statement_names[STORE_STATEMENT_COUNT]; /* "META_GET", for the log */

#endif
