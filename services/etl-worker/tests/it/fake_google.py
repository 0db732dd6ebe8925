"""A small Google Cloud Storage with the bucket games, which wants tokens, as the emulator fake-gcs-server does not: its XML API
as far as a worker uses it for files of one game.

Arguments: PORT CERTIFICATE KEY FOLDER. A token is that of the machine, which google_tokens.py gives out, or one that the key of a
service account signed, whose files it writes into the folder.
"""

import sys
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler
from threading import Lock
from urllib.parse import unquote, urlsplit

import google_tokens
from with_tls import server_with_tls

port, certificate, key, folder = sys.argv[1:]
objects, lock = {}, Lock()
tokens = google_tokens.Tokens(folder)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, body=b"", headers=()):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def handle_request(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        bucket, _, name = url.path.lstrip("/").partition("/")
        name = unquote(name)
        with lock:
            if not tokens.allow(self.headers.get("Authorization", "")):
                return self.reply(401, b"<Error><Code>AuthenticationRequired</Code><Message>Invalid token</Message></Error>")
            if bucket != "games":
                return self.reply(404, b"<Error><Code>NoSuchBucket</Code></Error>")
            if self.command == "PUT":
                if self.headers.get("x-goog-if-generation-match") == "0" and name in objects:
                    return self.reply(412, b"<Error><Code>PreconditionFailed</Code></Error>")
                objects[name] = (body, datetime.now(timezone.utc))
                return self.reply(200, headers=[("ETag", '"e"'), ("x-goog-generation", "1")])
            if name not in objects:
                return self.reply(404, b"<Error><Code>NoSuchKey</Code></Error>")
            data, time = objects[name]
            if self.command == "DELETE":
                del objects[name]
                return self.reply(204)
            modified = time.strftime("%a, %d %b %Y %H:%M:%S GMT")
            headers = [("ETag", '"e"'), ("Last-Modified", modified), ("x-goog-generation", "1")]
            return self.reply(200, data, headers)

    do_GET = do_HEAD = do_PUT = do_DELETE = handle_request


server_with_tls(port, certificate, key, Handler).serve_forever()
