"""A program in a terminal of its own (tmux), with a home of its own: keys in, screen out."""
import os
import pathlib
import signal
import subprocess
import time


class Terminal:
    def __init__(self, home, name):
        self.home = pathlib.Path(home)
        self.socket = str(self.home / f"{name}.tmux")
        self.pids = []

    def tmux(self, *args, check=True):
        return subprocess.run(["tmux", "-u", "-S", self.socket, *args], capture_output=True, text=True, check=check)

    def run(self, command):
        env = f"HOME={self.home} XDG_CONFIG_HOME={self.home}/config XDG_DATA_HOME={self.home}/data LANG=C.UTF-8 TERM=screen"
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", "160", "-y", "50", f"exec env {env} {command}")
        self.tmux("set-option", "-g", "remain-on-exit", "on")
        self.pids = [int(p) for p in self.tmux("list-panes", "-a", "-F", "#{pid} #{pane_pid}").stdout.split()]
        return self

    def type(self, text):
        self.tmux("send-keys", "-l", text)
        self.tmux("send-keys", "Enter")
        return self

    def screen(self):
        return self.tmux("capture-pane", "-p", "-J", check=False).stdout

    def wait(self, text, timeout=40):
        deadline = time.monotonic() + timeout
        while text not in self.screen():
            assert time.monotonic() < deadline, f"{text!r} never appeared:\n{self.screen()}"
            time.sleep(0.05)
        return self

    def quit(self, command):
        """Types the command after which the program ends by itself."""
        self.type(command)
        deadline = time.monotonic() + 20
        while self.tmux("list-panes", "-a", "-F", "#{pane_dead}", check=False).stdout.strip() != "1":
            assert time.monotonic() < deadline, f"it has not ended:\n{self.screen()}"
            time.sleep(0.05)

    def close(self):
        """Ends what still runs; returns when the program and its tmux are gone."""
        self.tmux("kill-server", check=False)
        deadline = time.monotonic() + 5
        for pid in self.pids:
            while is_running(pid):
                if time.monotonic() > deadline:
                    os.kill(pid, signal.SIGKILL)
                time.sleep(0.02)


def is_running(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
