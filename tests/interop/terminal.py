"""A program in a terminal of its own (tmux), with a home of its own: keys in, screen out."""
import pathlib
import subprocess
import time


class Terminal:
    def __init__(self, home, name):
        self.home = pathlib.Path(home)
        self.socket = str(self.home / f"{name}.tmux")

    def tmux(self, *args, check=True):
        return subprocess.run(["tmux", "-S", self.socket, *args], capture_output=True, text=True, check=check)

    def run(self, command):
        env = f"HOME={self.home} XDG_CONFIG_HOME={self.home}/config XDG_DATA_HOME={self.home}/data LANG=C.UTF-8 TERM=screen"
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", "160", "-y", "50", f"env {env} {command}")
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

    def close(self):
        self.tmux("kill-server", check=False)
