"""Importing any module of the project has no effect."""

import subprocess
import sys

PROBE = """
import pkgutil, socket, sys, threading

def refuse(*args, **kwargs):
    raise AssertionError("a socket was opened at import")

import processor
names = sorted(m.name for m in pkgutil.walk_packages(processor.__path__, "processor."))
names = [n for n in names if n != "processor.__main__"]
assert names
# Third parties may do what they like while they load; ours may not after that.
socket.socket.connect = socket.socket.bind = refuse
before = set(threading.enumerate())
for name in names:
    __import__(name)
started = set(threading.enumerate()) - before
assert not started, started
print(len(names))
"""


def test_importing_every_module_starts_no_thread_opens_no_socket_and_prints_nothing():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROBE], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.strip().isdigit(), "a module printed something when it was imported"
