"""A server of files on this machine, that breaks off, knows no parts or changes its mind as a test asks it to."""

import hashlib
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server, asked = self.server, self.headers.get("Range", "")
        server.asked.append((self.path, asked))
        if self.path not in server.files:
            return self.send_error(server.status)
        content = server.files[self.path]
        tag = f'"{hashlib.md5(content).hexdigest()}"'
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and server.parts else 0
        if self.headers.get("If-Range", tag) != tag:
            start = 0
        if start >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if server.tags:
            self.send_header("ETag", tag)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start:][: server.breaks.pop(0) if server.breaks else None])

    def log_message(self, *_):
        pass


@contextmanager
def served(files, *, parts=True, tags=True, breaks=(), status=404):
    """A server, whose `url` is that of its folder and whose `asked` is what it was asked for.

    Args:
      files: {path: bytes}, which may change.
      parts: it gives parts of files.
      tags: it tells versions of files apart.
      breaks: after how many bytes each of its first answers breaks off.
      status: of what it does not have.
    """
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.files, server.parts, server.tags, server.status = files, parts, tags, status
        server.breaks, server.asked = list(breaks), []
        server.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
