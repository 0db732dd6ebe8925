"""Stand-ins for the services of AWS that give keys to programs without any, and a storage that tells which keys it was sent.

Arguments: PORT TLS_PORT CERTIFICATE KEY STORAGE. On the first port are the keys of a container (/container), those of a machine
(IMDSv2 below /latest), what the storage was sent (/seen), and the storage, which hands everything on to the one at STORAGE. As a
proxy it is the address 169.254.170.2 too, where ECS has the keys of a task. What is asked of STS goes to STORAGE as well. There too is
what IAM Identity Center (SSO) gives out. On the second port is the exchange of a web identity for keys.
"""

import json
import sys
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from with_tls import server_with_tls

port, tls_port, certificate, key, storage = sys.argv[1:]
seen = []
EXPIRES = "2099-01-01T00:00:00Z"
ROLE = "/latest/meta-data/iam/security-credentials/"


def keys_of(name):
    return json.dumps({"AccessKeyId": name, "SecretAccessKey": "s", "Token": "t", "Expiration": EXPIRES})


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, body, headers=()):
        body = body if isinstance(body, bytes) else body.encode()
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in ("content-length", "connection", "transfer-encoding", "date", "server"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def handle_request(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        authorization = self.headers.get("Authorization", "")
        if b"AssumeRoleWithWebIdentity" in self.path.encode() + body:
            return self.exchange_web_identity(self.path.encode() + body)
        if self.path == "http://169.254.170.2/v2/credentials/of-task":
            return self.reply(200, keys_of("TASK"))
        if self.path == "/container":
            is_known = authorization == "container-token"
            return self.reply(200, keys_of("CONTAINER")) if is_known else self.reply(403, "no such token")
        if self.path.startswith("/latest/"):
            return self.machine()
        if self.path.startswith("/federation/credentials?"):
            return self.single_sign_on()
        if self.path == "/seen":
            return self.reply(200, json.dumps(seen))
        seen.append(authorization)
        # Without a type, urllib would name one that moto takes for a form.
        headers = {"Content-Type": "application/octet-stream", **self.headers}
        request = urllib.request.Request(storage + self.path, body, headers, method=self.command)
        try:
            with urllib.request.urlopen(request) as response:
                self.reply(response.status, response.read(), response.getheaders())
        except urllib.error.HTTPError as error:
            self.reply(error.code, error.read(), error.headers.items())

    def machine(self):
        """IMDSv2: a token first, then the name of the role, then its keys."""
        if self.command == "PUT" and self.path == "/latest/api/token" and self.headers["X-aws-ec2-metadata-token-ttl-seconds"]:
            return self.reply(200, "machine-token", [("x-aws-ec2-metadata-token-ttl-seconds", "600")])
        if self.headers["X-aws-ec2-metadata-token"] != "machine-token":
            return self.reply(401, "no such token")
        return self.reply(*{ROLE: (200, "games"), ROLE + "games": (200, keys_of("MACHINE"))}.get(self.path, (404, "")))

    def single_sign_on(self):
        is_known = self.headers["x-amz-sso_bearer_token"] == "sso-token" and "role_name=Games" in self.path
        if not is_known or "account_id=123456789012" not in self.path:
            return self.reply(401, json.dumps({"__type": "UnauthorizedException", "message": "Session token not found or invalid"}))
        keys = {"accessKeyId": "SSO", "secretAccessKey": "s", "sessionToken": "t", "expiration": 4_070_908_800_000}
        return self.reply(200, json.dumps({"roleCredentials": keys}))

    def exchange_web_identity(self, text):
        if b"web-token" not in text:
            return self.reply(400, "<ErrorResponse><Error><Code>InvalidIdentityToken</Code></Error></ErrorResponse>")
        keys = f"<AccessKeyId>WEB</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>{EXPIRES}</Expiration>"
        name = "AssumeRoleWithWebIdentity"
        return self.reply(200, f"<{name}Response><{name}Result><Credentials>{keys}</Credentials></{name}Result></{name}Response>")

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_request


with_tls = server_with_tls(tls_port, certificate, key, Handler)
Thread(target=with_tls.serve_forever, daemon=True).start()
ThreadingHTTPServer(("127.0.0.1", int(port)), Handler).serve_forever()
