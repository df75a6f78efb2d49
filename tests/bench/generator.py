"""The load generator (load.c), driven line by line: it says `ready`, is told to go, and says `done {…}`."""
import json
import resource
import signal
import subprocess
import sys

import servers


def prepare():
    """For the program that drives: as many descriptors as allowed, for servers and generators too; and an end by signal cleans up."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by a signal"))


class Load:
    """`with Load(…) as load:` runs one generator until the block ends."""

    def __init__(self, server, scenario, **options):
        words = [w for name, value in options.items() for w in (f"--{name.replace('_', '-')}", str(value)) if w]
        self.process = subprocess.Popen([str(servers.ROOT / "build/release/bench/load"), "--connect", server.connect, "--ca", server.ca,
                                         "--password", servers.PASSWORD, *words, scenario], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        try:
            self.wait("ready")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        """The generator ends with its input."""
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def wait(self, word):
        for line in self.process.stdout:
            if line.startswith(word):
                return line[len(word):].strip()
            print("  load:", line.strip(), file=sys.stderr)
        raise SystemExit("the load generator ended early")

    def go(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def done(self):
        result = json.loads(self.wait("done"))
        if result["failures"]:
            raise SystemExit(f"the load generator saw failures: {result}")
        return result

    def run(self):
        self.go()
        return self.done()
