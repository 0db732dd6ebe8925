"""The module `scaler.object_storage.object_storage_server`, with object-store as the server."""

import os


class ObjectStorageServer:
    def run(self, address, identity, log_level, _log_format, _log_paths, tls_cert, tls_key):
        """Becomes the server: the process keeps its id, so that whoever started it can end it."""
        with open(os.environ["STARTED_SERVERS"], "a") as started:
            started.write(f"{address}\n")
        settings = {
            "OBJECT_STORE_ADDRESS": address,
            "OBJECT_STORE_IDENTITY": identity,
            "OBJECT_STORE_LISTEN_ADDR": "127.0.0.1:0",
            "DRAIN_DELAY": "0s",
            "LOG_LEVEL": {"WARNING": "WARN", "CRITICAL": "ERROR"}.get(log_level, log_level),
        }
        if tls_cert:
            settings |= {"OBJECT_STORE_TLS_CERT": tls_cert, "OBJECT_STORE_TLS_KEY": tls_key}
        server = os.environ["OBJECT_STORE"]
        os.execve(server, [server], os.environ | settings)
