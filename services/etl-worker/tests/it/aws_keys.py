"""A storage that knows every key and has no bucket, and the services of AWS that give keys to programs without any.

Arguments: PORT TLS_PORT CERTIFICATE KEY. On the first port are the storage, the keys of a container (/container) and what the
storage was sent (/seen), on the second one the exchange of a web identity for keys.
"""

import json
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

seen = []
EXPIRES = "2099-01-01T00:00:00Z"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def handle_request(self):
        text = self.path + self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode(errors="replace")
        authorization = self.headers.get("Authorization", "")
        if "AssumeRoleWithWebIdentity" in text:
            if "web-token" not in text:
                return self.reply(400, "<ErrorResponse><Error><Code>InvalidIdentityToken</Code></Error></ErrorResponse>")
            keys = f"<AccessKeyId>WEB</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>{EXPIRES}</Expiration>"
            name = "AssumeRoleWithWebIdentity"
            return self.reply(200, f"<{name}Response><{name}Result><Credentials>{keys}</Credentials></{name}Result></{name}Response>")
        if self.path == "/container":
            if authorization != "container-token":
                return self.reply(403, "no such token")
            keys = {"AccessKeyId": "CONTAINER", "SecretAccessKey": "s", "Token": "t", "Expiration": EXPIRES}
            return self.reply(200, json.dumps(keys))
        if self.path == "/seen":
            return self.reply(200, json.dumps(seen))
        seen.append(authorization)
        self.reply(404, "<Error><Code>NoSuchBucket</Code></Error>")

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_request


port, tls_port, certificate, key = sys.argv[1:]
with_tls = ThreadingHTTPServer(("127.0.0.1", int(tls_port)), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
with_tls.socket = context.wrap_socket(with_tls.socket, server_side=True)
Thread(target=with_tls.serve_forever, daemon=True).start()
ThreadingHTTPServer(("127.0.0.1", int(port)), Handler).serve_forever()
