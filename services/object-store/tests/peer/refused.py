"""Submits, to an unmodified cluster, an argument and a result that the store refuses. Neither may hang, nor what comes after.

usage: refused.py STORE BYTES
"""

import os
import signal
import subprocess
import sys

from cluster import end_with_parent, free_port
from scaler import Client
from scaler.utility.exceptions import ProcessorDiedError


# Nested, so that a worker gets the functions by value: it cannot import this file.
def functions():
    def square(x):
        return x * x

    def make(size):
        return b"7" * size

    return square, len, make


def main():
    store, size = sys.argv[1], int(sys.argv[2])
    bin_dir, quiet = os.path.dirname(sys.executable), ["--logging-level", "WARNING"]
    scheduler, monitor = f"tcp://127.0.0.1:{free_port()}", f"tcp://127.0.0.1:{free_port()}"
    commands = [
        [f"{bin_dir}/scaler_scheduler", scheduler, "--object-storage-address", store, "--monitor-address", monitor, *quiet],
        [f"{bin_dir}/scaler_worker_manager", "baremetal_native", scheduler, "--worker-manager-id", "test", "--mode", "fixed",
         "--max-task-concurrency", "1", "--object-storage-address", store, *quiet],
    ]
    processes = [
        subprocess.Popen(command, start_new_session=True, preexec_fn=end_with_parent, stdout=sys.stderr) for command in commands
    ]
    try:
        square, length, make = functions()
        with Client(address=scheduler, object_storage_address=store) as client:
            for function, argument in ((length, b"7" * size), (make, size)):
                try:
                    client.submit(function, argument).result(timeout=60)
                    raise AssertionError("it was not refused")
                except ProcessorDiedError as error:
                    print(f"refused: {error}", flush=True)
                small = [client.submit(square, n) for n in range(20)]
                assert [future.result(timeout=60) for future in small] == [n * n for n in range(20)]
        print("nothing hung", flush=True)
    finally:
        for process in processes:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


if __name__ == "__main__":
    main()
