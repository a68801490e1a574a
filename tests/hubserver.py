"""As much of the Hugging Face Hub as publishing and loading a small network asks for, on this machine."""

import base64
import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "a" * 40


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        hub, body = self.server, self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/api/validate-yaml":
            return self._answer({"errors": [], "warnings": []})
        if "Authorization" not in self.headers:
            return self._answer({"error": "Invalid username or password."}, 401)
        if self.path == "/api/repos/create":
            return self._answer({"url": f"{hub.url}/me/net", "name": "me/net", "id": "me/net"})
        if "/preupload/" in self.path:
            paths = [each["path"] for each in json.loads(body)["files"]]
            modes = [{"path": path, "uploadMode": "regular", "shouldIgnore": False} for path in paths]
            return self._answer({"files": modes})
        for line in map(json.loads, body.splitlines()):  # a commit
            if line["key"] == "file":
                hub.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
        return self._answer({"commitUrl": f"{hub.url}/me/net/commit/{COMMIT}", "commitOid": COMMIT, "success": True})

    def do_GET(self):
        name = self.path.removeprefix("/me/net/resolve/main/").removeprefix(f"/me/net/resolve/{COMMIT}/")
        if self.path.startswith("/api/") or name not in self.server.files:
            return self._answer(
                {}, 404, {"X-Error-Code": "EntryNotFound" if "/me/net/" in self.path else "RepoNotFound"}
            )
        content = self.server.files[name]
        return self._send(content, 200, {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": COMMIT})

    do_HEAD = do_GET

    def _answer(self, value, status=200, headers=()):
        self._send(json.dumps(value).encode(), status, {"Content-Type": "application/json", **dict(headers)})

    def _send(self, content, status, headers):
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(content))}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_):
        pass


@contextmanager
def hub():
    """A Hub with one empty repository, me/net; its `files` are what was published there."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.files, server.url = {}, f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
