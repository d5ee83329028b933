"""A stand-in for the Hub: as much of its interface as pushing and pulling small files takes."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_of_a_test"
Files = dict[str, bytes]


class Hub(ThreadingHTTPServer):
    """Repositories of `models` and `datasets` by name, in memory."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repos: dict[tuple[str, str], Files] = {}
        self.commits = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = urlsplit(self.path).path
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._answer({"error": "Invalid username or password."}, 401)
        elif path == "/api/validate-yaml":
            self._answer({"errors": [], "warnings": []})
        elif path == "/api/repos/create":
            said = json.loads(body)
            name = "/".join(filter(None, (said.get("organization"), said["name"])))
            self.server.repos.setdefault((f"{said.get('type', 'model')}s", name), {})
            self._answer({"url": f"{self.server.url}/{name}"})
        else:
            self._change(path, body)

    def _change(self, path: str, body: bytes) -> None:
        kind, name, what = _parts(path)
        files = self.server.repos[kind, name]
        if what.startswith("preupload"):
            plain = {"uploadMode": "regular", "shouldIgnore": False}
            asked = json.loads(body)["files"]
            self._answer({"files": [{"path": one["path"], **plain} for one in asked]})
            return
        for line in body.splitlines():
            said = json.loads(line)
            if said["key"] == "file":
                files[said["value"]["path"]] = base64.b64decode(said["value"]["content"])
            elif said["key"] == "deletedFile":
                del files[said["value"]["path"]]
        self.server.commits += 1
        url = f"{self.server.url}/{name}/commit/{_sha(files)}"
        self._answer({"commitUrl": url, "commitOid": _sha(files)})

    def do_GET(self) -> None:
        self._give(head=False)

    def do_HEAD(self) -> None:
        self._give(head=True)

    def _give(self, *, head: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        if not path.startswith("/api/"):
            self._give_file(path, head=head)
            return
        kind, name, what = _parts(path)
        files = self.server.repos.get((kind, name))
        if files is None:
            missing = {"X-Error-Code": "RepoNotFound"}
            self._answer({"error": "Repository not found"}, 404, missing)
        elif what.startswith("tree"):
            rows = [
                {"type": "file", "path": path, "size": len(held), "oid": _oid(held)}
                for path, held in files.items()
            ]
            self._answer(rows)
        else:
            listed = [{"rfilename": path} for path in files]
            self._answer({"id": name, "sha": _sha(files), "siblings": listed, "private": True})

    def _give_file(self, path: str, *, head: bool) -> None:
        found = re.fullmatch(r"/(datasets/)?([^/]+/[^/]+)/resolve/[^/]+/(.+)", path)
        assert found, path
        files = self.server.repos["datasets" if found[1] else "models", found[2]]
        held = files[found[3]]
        own = {"ETag": f'"{_oid(held)}"', "X-Repo-Commit": _sha(files)}
        self._send(held, 200, {"Content-Type": "application/octet-stream", **own}, head=head)

    def _answer(self, value: Any, status: int = 200, more: dict[str, str] | None = None) -> None:  # noqa: ANN401
        headers = {"Content-Type": "application/json", **(more or {})}
        self._send(json.dumps(value).encode(), status, headers, head=False)

    def _send(self, body: bytes, status: int, headers: dict[str, str], *, head: bool) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        if not head:
            self.wfile.write(body)


def _parts(path: str) -> tuple[str, str, str]:
    """Cut `/api/models/user/name/what/...`."""
    kind, user, name, *rest = path.removeprefix("/api/").split("/")
    return kind, f"{user}/{name}", "/".join(rest)


def _sha(files: Files) -> str:
    return hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()


def _oid(held: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(held) + held).hexdigest()


@contextmanager
def standing_in() -> Iterator[Hub]:
    hub = Hub()
    thread = threading.Thread(target=hub.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()
        thread.join()
