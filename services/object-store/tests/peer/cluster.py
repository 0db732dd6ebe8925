"""Runs an unmodified opengris-scaler cluster on given object stores, and checks every result it computes.

usage: cluster.py SCHEDULER_STORE WORKER_STORE CLIENT_STORE [--tasks N] [--workers N] [--largest BYTES]
                  [--hold | --work SECONDS [--kills N]]

Starts the released scheduler and worker manager from PyPI, submits work as a client, and exits 0 only if every result is
right. With --hold it prints `ready` after the first computation, waits for a line on standard input, and computes again.
With --work it prints `ready` after the first computation and submits tasks for some seconds. Then it prints how many
results were right, how many tasks failed and why, and how many results did not come within 20 s. It fails if a result is
wrong, or if the client stops itself. --kills N says that the client's store will be killed N times. Each time the client
may stop itself for one of two known reasons; that is printed too, and a new client continues.
"""

import argparse
import collections
import ctypes
import functools
import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from concurrent.futures import TimeoutError

from scaler import Client
from scaler.io.ymq import ConnectorSocketClosedByRemoteEndError
from scaler.utility.exceptions import ClientQuitException, ObjectStorageException


def square(x):
    return x * x


def digest(data):
    return hashlib.blake2b(data).hexdigest()


def make(size, seed):
    return (seed.to_bytes(4, "little") * (size // 4 + 1))[:size]


def slow(x):
    time.sleep(0.2)
    return x + 1


def end_with_parent():
    """Ends the child with this process, also when this one is killed (PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def compute(client, tasks, largest):
    began = time.monotonic()
    assert client.map(square, range(tasks)) == [x * x for x in range(tasks)]
    took = time.monotonic() - began
    print(f"map of {tasks} tasks: {took:.1f} s, {tasks / took:.0f} tasks/s", flush=True)
    size = 1
    while size <= largest:
        began = time.monotonic()
        data = make(size, size)
        assert client.submit(digest, data).result() == digest(data), f"argument of {size} bytes"
        assert client.submit(make, size, 7).result() == make(size, 7), f"result of {size} bytes"
        print(f"argument and result of {size} bytes: {time.monotonic() - began:.2f} s", flush=True)
        if size == largest:
            break
        size = min(size * 8, largest)
    sent = client.send_object(make(1000, 3))
    futures = [client.submit(digest, sent) for _ in range(20)]
    assert all(future.result() == digest(make(1000, 3)) for future in futures)
    gathered = [future.result() for future in [client.submit(square, x) for x in range(50)]]
    assert gathered == [x * x for x in range(50)]
    try:
        client.submit(square, "no number").result()
        raise AssertionError("a task that fails must fail")
    except TypeError:
        pass


def why_stopped(error):
    """The known reasons why a released client stops itself when its store is killed."""
    if isinstance(error, ObjectStorageException) and isinstance(error.__cause__, ConnectorSocketClosedByRemoteEndError):
        return "it found its last response and the reset together, which libuv reports as the end of the stream"
    if isinstance(error, AssertionError) and "__read_response_payload" in "".join(traceback.format_tb(error.__traceback__)):
        return "it took the next response for the payload that was lost"
    return None


def work(connect, seconds, kills):
    """Submits a few tasks at a time. Some arguments and results are large enough to be in transfer for a while."""
    outcomes, thread_errors = collections.Counter(), []
    # The exceptions that end the client's own thread.
    threading.excepthook = lambda arguments: thread_errors.append(arguments.exc_value)
    until = time.monotonic() + seconds
    client = connect()
    while time.monotonic() < until:
        sizes = [1000 + n for n in range(8)] + [3_000_000]
        try:
            futures = [(client.submit(make, size, 7), size) for size in sizes]
        except ClientQuitException:
            reason = thread_errors and why_stopped(thread_errors[-1])
            if not reason or len(thread_errors) > kills:
                raise RuntimeError(f"the client stopped itself: {thread_errors}") from None
            outcomes[f"the client stopped itself: {reason}"] += 1
            client.disconnect()
            client = connect()
            continue
        for future, size in futures:
            try:
                # After one result did not come in time, the next ones are not waited for as long.
                timeout = 1 if outcomes["unanswered"] else 20
                assert future.result(timeout=timeout) == make(size, 7), f"a wrong result of {size} bytes"
                outcomes["right"] += 1
            except TimeoutError:
                outcomes["unanswered"] += 1
            except AssertionError:
                raise
            except Exception as error:
                outcomes[f"{type(error).__name__}: {error}"] += 1
    client.disconnect()
    print("worked:", dict(outcomes), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("stores", nargs=3)
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--largest", type=int, default=1 << 20)
    parser.add_argument("--hold", action="store_true")
    parser.add_argument("--work", type=float)
    parser.add_argument("--kills", type=int, default=0)
    arguments = parser.parse_args()
    for_scheduler, for_workers, for_client = arguments.stores
    bin_dir = os.path.dirname(sys.executable)
    scheduler = f"tcp://127.0.0.1:{free_port()}"
    monitor = f"tcp://127.0.0.1:{free_port()}"
    quiet = ["--logging-level", "WARNING"]
    commands = [
        [f"{bin_dir}/scaler_scheduler", scheduler, "--object-storage-address", for_scheduler,
         "--advertised-object-storage-address", for_workers, "--monitor-address", monitor, *quiet],
        [f"{bin_dir}/scaler_worker_manager", "baremetal_native", scheduler, "--worker-manager-id", "test", "--mode", "fixed",
         "--max-task-concurrency", str(arguments.workers), "--object-storage-address", for_workers, *quiet],
    ]
    # Each in a process group of its own, so that its children end with it.
    processes = [
        subprocess.Popen(command, start_new_session=True, preexec_fn=end_with_parent, stdout=sys.stderr) for command in commands
    ]
    try:
        connect = functools.partial(Client, address=scheduler, object_storage_address=for_client)
        with connect() as client:
            compute(client, arguments.tasks, arguments.largest)
            if arguments.hold:
                print("ready", flush=True)
                sys.stdin.readline()
                compute(client, arguments.tasks, arguments.largest)
        if arguments.work:
            print("ready", flush=True)
            work(connect, arguments.work, arguments.kills)
        print("all results were right", flush=True)
    finally:
        for process in reversed(processes):
            try:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(10)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                pass
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


if __name__ == "__main__":
    main()
