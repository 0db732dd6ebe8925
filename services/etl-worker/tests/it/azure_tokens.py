"""Stand-ins for what gives tokens of Azure's identities. Azurite takes them.

Arguments: PORT TLS_PORT CERTIFICATE KEY. On TLS_PORT is the authority. On PORT are the tokens of an App Service (/msi/token), how
often any was refused (/refused), and, as a proxy, those of a machine (169.254.169.254).
"""

import base64
import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, urlsplit

from with_tls import server_with_tls

port, tls_port, certificate, key = sys.argv[1:]
STORAGE = "https://storage.azure.com"
TENANT = "11111111-1111-1111-1111-111111111111"
MACHINE = "http://169.254.169.254/metadata/identity/oauth2/token"
refused = []


def token_for(audience):
    now = int(time.time())
    claims = {"aud": audience, "iss": f"https://sts.windows.net/{TENANT}/", "iat": now - 60, "nbf": now - 60, "exp": now + 3600}
    parts = [json.dumps(part).encode() for part in ({"alg": "HS256", "typ": "JWT"}, claims)] + [b"signature"]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, status, error, description):
        refused.append(description)
        self.reply(status, {"error": error, "error_description": description})

    def refuse_login(self, status, error, text):
        """As Microsoft's authority does, with what differs each time at the end."""
        number = len(refused)
        self.refuse(status, error, f"{text} Trace ID: {number} Correlation ID: {number} Timestamp: {time.time()}Z")


class Authority(Handler):
    def do_POST(self):
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        form = {name: values[0] for name, values in form.items()}
        if self.path != f"/{TENANT}/oauth2/v2.0/token":
            tenant = self.path.split("/")[1]
            return self.refuse_login(400, "invalid_request", f"AADSTS90002: Tenant '{tenant}' not found.")
        is_for_us = form["grant_type"] == "client_credentials" and form["scope"] == f"{STORAGE}/.default"
        is_assertion = form.get("client_assertion_type") == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        is_known = form.get("client_secret") == "right" or (is_assertion and form["client_assertion"] == "token-of-the-cluster")
        if not is_for_us or not is_known:
            return self.refuse_login(401, "invalid_client", "AADSTS7000215: Invalid client secret provided.")
        audience = {"app": STORAGE, "elsewhere": "https://graph.microsoft.com"}[form["client_id"]]
        self.reply(200, {"token_type": "Bearer", "expires_in": 3599, "access_token": token_for(audience)})


class Tokens(Handler):
    def do_GET(self):
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        address = self.path.split("?")[0]
        if address == "/refused":
            return self.reply(200, len(refused))
        is_machine = address == MACHINE and self.headers["Metadata"] == "true"
        is_app = address == "/msi/token" and self.headers["X-IDENTITY-HEADER"] == "secret"
        if not (is_machine or is_app) or query["resource"] != STORAGE:
            return self.refuse(403, "forbidden", "no such service")
        if query.get("client_id", "of-the-machine") not in ("of-the-machine", "assigned"):
            return self.refuse(400, "invalid_request", "Identity not found")
        expires_on = str(int(time.time()) + 3600)
        self.reply(200, {"access_token": token_for(STORAGE), "expires_on": expires_on, "resource": STORAGE, "token_type": "Bearer"})


authority = server_with_tls(tls_port, certificate, key, Authority)
Thread(target=authority.serve_forever, daemon=True).start()
ThreadingHTTPServer(("127.0.0.1", int(port)), Tokens).serve_forever()
