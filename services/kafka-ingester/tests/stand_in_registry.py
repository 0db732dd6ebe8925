"""A stand-in for a schema registry. It speaks the part of the API of Confluent's that clients use, and is no registry: it
keeps what it is sent, and checks nothing.

stand_in_registry.py PORT FOLDER: FOLDER/state.json has its schemas, so that it can be restarted. If FOLDER has a file
`password`, requests need the user `ann` with that password; `cert.pem` and `key.pem`, it speaks TLS; `answer`, every answer
is the status and the body in it.
"""

import base64
import json
import pathlib
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlparse

folder = pathlib.Path(sys.argv[2])


def read(name, default):
    path = folder / name
    return path.read_text() if path.exists() else default


class Registry(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body):
        body = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, code, message):
        self.answer(code // 100, {"error_code": code, "message": message})

    def handle_request(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        password, fixed = read("password", None), read("answer", None)
        if fixed:
            return self.answer(int(fixed[:3]), fixed[4:])
        wanted = password and "Basic " + base64.b64encode(f"ann:{password}".encode()).decode()
        if password and self.headers.get("Authorization") != wanted:
            return self.refuse(40101, "wrong user or password")
        # "schemas" is a list, in which a schema of the id n has the place n - 1; "subjects" have lists of ids.
        state = json.loads(read("state.json", '{"schemas": [], "subjects": {}}'))
        path = [unquote(part) for part in urlparse(self.path).path.strip("/").split("/")]
        match path:
            case ["schemas", "ids", id]:
                if not 0 < int(id) <= len(state["schemas"]):
                    return self.refuse(40403, f"Schema {id} not found")
                return self.answer(200, state["schemas"][int(id) - 1])
            case ["subjects", subject, "versions", version] if subject in state["subjects"]:
                ids = state["subjects"][subject]
                id = ids[-1 if version == "latest" else int(version) - 1]
                found = {"subject": subject, "version": ids.index(id) + 1, "id": id}
                return self.answer(200, state["schemas"][id - 1] | found)
            case ["subjects", subject] | ["subjects", subject, "versions"] if self.command == "POST":
                schema = {key: value for key, value in json.loads(body).items() if value is not None}
                if schema not in state["schemas"]:
                    state["schemas"].append(schema)
                id = state["schemas"].index(schema) + 1
                ids = state["subjects"].setdefault(subject, [])
                if id not in ids:
                    ids.append(id)
                (folder / "state.json").write_text(json.dumps(state))
                return self.answer(200, schema | {"subject": subject, "version": ids.index(id) + 1, "id": id})
            case _:
                return self.refuse(40401, f"Subject not found: {self.path}")

    do_GET = do_POST = handle_request

    def log_message(self, *arguments):
        pass


server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Registry)
if (folder / "cert.pem").exists():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
