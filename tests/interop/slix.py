"""slixmpp, unmodified, for tests: clients on a loop of their own, and waiting for what they see."""
import asyncio

import slixmpp


class Chatter(slixmpp.ClientXMPP):
    """A client that remembers the stanzas that came, and how often it was disconnected."""

    def __init__(self, cluster, name, password="secret"):
        super().__init__(f"{name}@localhost", password)
        self.ca_certs = cluster.ca
        self.cluster = cluster
        self.messages, self.presences = [], []
        self.is_online, self.is_refused, self.disconnects, self.refusals = False, False, 0, 0
        self.news = asyncio.Event()
        for event, note in (("session_start", self.begin), ("message", self.messages.append), ("presence", self.presences.append),
                            ("roster_update", lambda _: None), ("disconnected", self.on_disconnected), ("failed_auth", self.on_refusal),
                            ("failed_all_auth", self.on_all_refused)):
            self.add_event_handler(event, note)
            self.add_event_handler(event, lambda _: self.news.set())

    async def begin(self, _):
        await self.get_roster()
        self.send_presence()
        self.is_online = True
        self.news.set()

    def on_disconnected(self, _):
        self.disconnects += 1

    def on_refusal(self, _):
        self.refusals += 1

    def on_all_refused(self, _):
        self.is_refused = True

    @property
    def bare(self):
        return self.boundjid.bare

    def dial(self, c2s=1):
        self.connect((self.cluster.host, self.cluster.ports[c2s - 1]))
        return self

    async def until(self, is_so, what, timeout=30):
        """Waits for something that shows in what came."""
        deadline = asyncio.get_running_loop().time() + timeout
        while not is_so():
            self.news.clear()
            left = deadline - asyncio.get_running_loop().time()
            try:
                await asyncio.wait_for(self.news.wait(), max(left, 0))
            except asyncio.TimeoutError:
                came = [str(s) for s in self.presences + self.messages]
                raise AssertionError(f"{self.boundjid}: never {what}; there came {came}") from None

    async def online(self, c2s=1):
        self.dial(c2s)
        await self.until(lambda: self.is_online, "online")
        return self

    async def sees(self, sender, type="available", **children):
        """A presence of this full or bare JID; children: show, status."""
        def is_it(p):
            return (sender in (p["from"].full, p["from"].bare) and p["type"] == type and
                    all(p[key] == value for key, value in children.items()))
        await self.until(lambda: any(map(is_it, self.presences)), f"saw {type} of {sender} {children}")

    async def hears(self, body):
        await self.until(lambda: body in [m["body"] for m in self.messages], f"heard {body!r}")


def run(story):
    """Runs a coroutine function on a fresh loop and leaves nothing of it behind. story(start): start(client) is disconnected at the end."""
    async def whole():
        clients = []
        try:
            await story(lambda client: clients.append(client) or client)
        finally:
            for c in clients:
                await c.disconnect(wait=5)

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(whole())
    finally:
        rest = asyncio.all_tasks(loop)
        for task in rest:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*rest, return_exceptions=True))
        loop.close()
        asyncio.set_event_loop(None)
