"""Pages of archives, out of many rows: what a client waits for 50 messages, from its query to the end of the answer."""
import pathlib
import random
import re
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from xmpp import Client  # noqa: E402

CLIENTS, QUERIES = 40, 2000
MAM, RSM = "urn:xmpp:mam:2", "http://jabber.org/protocol/rsm"
RANDOM_ID = {"sqlite": "randomblob(16)", "postgresql": "decode(md5(random()::text || clock_timestamp()::text), 'hex')"}


def multiply(server, rows, have):
    """Copies of the rows that a second of load has left, further and further back in time: the same accounts, lengths and order."""
    copies = rows // have
    server.run("kill", "sm-1")
    server.query(f"UPDATE account SET created_us = 0;"
                 f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {copies})"
                 f"INSERT INTO archive SELECT slot, {RANDOM_ID[server.store]}, stamp_us - n.i * 20000000, a, a_resource, a_owns, b, b_resource, b_owns, stanza"
                 " FROM archive, n;")
    server.query("ANALYZE;" if server.store == "sqlite" else "VACUUM ANALYZE archive;")
    server.run("start", "sm-1")
    return have * (copies + 1)


def read_page(client, inner):
    """(ms, bytes of the answer): unparsed, for that would take longer than the server."""
    client.sock.sendall(f"<iq type='set' id='p'><query xmlns='{MAM}'>{inner}</query></iq>".encode())
    began, got = time.perf_counter(), b""
    while b"id='p'" not in got[-4096:] or not got.endswith(b"</iq>"):
        got += client.sock.recv(1 << 20)
    return (time.perf_counter() - began) * 1000, got


def measure(server, rows, password):
    host, port = server.connect.split(",")[0].split(":")
    clients = []
    for i in range(CLIENTS):
        client = Client(host, int(port), int(port), server.ca, "localhost", f"u{i}", password)
        client.login()
        client.ids = []
        clients.append(client)
    times, kinds = [], [f"<set xmlns='{RSM}'><max>50</max><before/></set>", f"<set xmlns='{RSM}'><max>50</max></set>"]
    for n in range(QUERIES):
        client = clients[n % CLIENTS]
        inner = kinds[n % 2] if n % 4 < 2 or not client.ids else f"<set xmlns='{RSM}'><max>50</max><{random.choice(('after', 'before'))}>" \
            f"{random.choice(client.ids)}</{{}}></set>"
        inner = inner.replace("</{}>", "</after>" if "<after>" in inner else "</before>")
        ms, got = read_page(client, inner)
        ids = re.findall(rb"<result xmlns='urn:xmpp:mam:2' id='([0-9a-f]{32})'", got)
        client.ids += [i.decode() for i in ids[-1:] + ids[:1]]
        times.append(ms)
    for client in clients:
        client.close()
    times.sort()
    return {"rows": rows, "page_p50_ms": times[len(times) // 2], "page_p99_ms": times[len(times) * 99 // 100], "pages_per_s": 1000 * len(times) / sum(times)}
