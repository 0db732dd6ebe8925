"""Stand-ins for what gives tokens of Google: the keys of service accounts, and the metadata server of a machine."""

import base64
import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

MACHINE_TOKEN = "token-of-the-machine"
ACCOUNT = "games@project.iam.gserviceaccount.com"


class Metadata(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        path = self.path.split("?")[0]
        is_known = path == "/computeMetadata/v1/instance/service-accounts/default/token"
        is_known = is_known and self.headers["Metadata-Flavor"] == "Google"
        self.send_response(200 if is_known else 403)
        self.end_headers()
        self.wfile.write(json.dumps({"access_token": MACHINE_TOKEN, "expires_in": 3600, "token_type": "Bearer"}).encode())


class Tokens:
    """Writes account.json, refused.json with a key that nobody knows, and metadata, the address of the metadata server."""

    def __init__(self, folder):
        self.key = write_account(Path(folder, "account.json"))
        write_account(Path(folder, "refused.json"))
        metadata = ThreadingHTTPServer(("127.0.0.1", 0), Metadata)
        Thread(target=metadata.serve_forever, daemon=True).start()
        Path(folder, "metadata").write_text(f"127.0.0.1:{metadata.server_port}")

    def allow(self, authorization):
        token = authorization.removeprefix("Bearer ")
        return token == MACHINE_TOKEN or self.is_signed(token)

    def is_signed(self, token):
        """Whether it is a JWT of the account, which its key signed for this storage, and which holds now."""
        signed, _, signature = token.rpartition(".")
        try:
            self.key.verify(decode(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return False
        claims = json.loads(decode(signed.split(".")[1]))
        is_for_us = claims["iss"] == ACCOUNT and claims["scope"] == "https://www.googleapis.com/auth/cloud-platform"
        return is_for_us and claims["iat"] - 60 < time.time() < claims["exp"]


def write_account(path):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    pem = key.private_bytes(encoding, form, serialization.NoEncryption()).decode()
    account = {"type": "service_account", "client_email": ACCOUNT, "private_key_id": "1", "private_key": pem}
    path.write_text(json.dumps(account))
    return key.public_key()


def decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
