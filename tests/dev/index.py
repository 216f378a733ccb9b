"""A package index of one package: there, dead or silent; and a clone that is as small."""

import io
import shutil
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

WHEEL = "tiny-1.0-py3-none-any.whl"

PROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "idstream"
version = "1.0"
dependencies = ["tiny"]
"""

BACKEND = """\
import zipfile, pathlib

ENTRY = '[console_scripts]\\nidstream = idstream:main\\n'
METADATA = '''Metadata-Version: 2.1
Name: idstream
Version: 1.0
Requires-Dist: tiny
Provides-Extra: embedded
Provides-Extra: registry
Provides-Extra: terminal
'''

def build_editable(folder, config_settings=None, metadata_directory=None):
    name = "idstream-1.0-py3-none-any.whl"
    info = "idstream-1.0.dist-info"
    with zipfile.ZipFile(pathlib.Path(folder) / name, "w") as wheel:
        wheel.writestr("idstream.py", "def main(): import tiny; print('the demo')")
        wheel.writestr(f"{info}/METADATA", METADATA)
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nTag: py3-none-any\\n")
        wheel.writestr(f"{info}/entry_points.txt", ENTRY)
        wheel.writestr(f"{info}/RECORD", "")
    return name
"""


def clone(dev: Path, folder: Path) -> Path:
    """Make a folder with *dev* in which everything that it installs is small."""
    folder.mkdir()
    shutil.copy(dev, folder / "dev")
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / "backend.py").write_text(BACKEND)
    (folder / "constraints.txt").write_text("tiny==1.0\n")
    return folder


def wheel() -> bytes:
    """Return the index's one package."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as parts:
        parts.writestr("tiny.py", "")
        for name, text in (
            ("METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n"),
            ("WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
            ("RECORD", ""),
        ):
            parts.writestr(f"tiny-1.0.dist-info/{name}", text)
    return file.getvalue()


class Index:
    """Serves the package; ``silent`` holds every answer back, ``dead`` refuses every question."""

    def __init__(self) -> None:
        self.requests = 0
        self.asked = threading.Event()
        self.dead = False
        self._speaks = threading.Event()
        self._speaks.set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def url(self) -> str:
        """Where installers find it, or nothing where it is dead."""
        port = 9 if self.dead else self._server.server_address[1]
        return f"http://127.0.0.1:{port}/simple/"

    def fall_silent(self) -> None:
        self._speaks.clear()
        self.asked.clear()

    def speak(self) -> None:
        self._speaks.set()

    def close(self) -> None:
        self.speak()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                index.requests += 1
                index.asked.set()
                index._speaks.wait(60)
                is_page = self.path == "/simple/tiny/"
                page = f'<!DOCTYPE html><a href="/{WHEEL}">{WHEEL}</a>'.encode()
                body = page if is_page else wheel()
                known = is_page or self.path == f"/{WHEEL}"
                try:
                    self.send_response(200 if known else 404)
                    self.send_header("Content-Type", "text/html" if is_page else "application/zip")
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    pass  # whoever asked has been killed

            def do_HEAD(self) -> None:
                self.send_error(405)

            def log_message(self, *_: object) -> None:
                pass

        return Handler
