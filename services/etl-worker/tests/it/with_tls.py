"""What the stand-ins with TLS share."""

import ssl
from http.server import ThreadingHTTPServer


def server_with_tls(port, certificate, key, handler):
    """A server on 127.0.0.1 that shows this certificate."""
    server = ThreadingHTTPServer(("127.0.0.1", int(port)), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    return server
