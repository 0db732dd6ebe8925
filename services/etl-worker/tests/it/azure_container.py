"""Creates a container in Azurite, the emulator of Azure Blob Storage: ENDPOINT CONTAINER KEY."""

import base64
import hashlib
import hmac
import sys
import urllib.request
from email.utils import formatdate

endpoint, container, key = sys.argv[1:]
account = endpoint.rsplit("/", 1)[1]
headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-08-06"}
lines = ["PUT"] + [""] * 11 + [f"{name}:{value}" for name, value in headers.items()]
lines += [f"/{account}/{account}/{container}", "restype:container"]
digest = hmac.new(base64.b64decode(key), "\n".join(lines).encode(), hashlib.sha256).digest()
headers["Authorization"] = f"SharedKey {account}:{base64.b64encode(digest).decode()}"
request = urllib.request.Request(f"{endpoint}/{container}?restype=container", method="PUT", headers=headers)
assert urllib.request.urlopen(request).status == 201
