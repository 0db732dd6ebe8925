"""Runs opengris-scaler's own test-suite with object-store in the place of its server.

usage: run.py SERVER SOURCE [MODULE…]

SERVER is the program object-store, SOURCE the unpacked source distribution of the opengris-scaler that this Python has.
Without a MODULE every test module is run. A test that does not pass is run with the released server too, and if it passes
there, with object-store again, since some of them depend on timing. Exits 0 if no test passes only with the released server.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
MODULE_TIMEOUT_S = 900


class Recorder(unittest.TextTestResult):
    """Writes the tests that passed to a file, as they end."""

    def addSuccess(self, test):
        with open(os.environ["PASSED"], "a") as passed:
            passed.write(test.id() + "\n")
        super().addSuccess(test)


def run_here(module):
    sys.path[0] = os.getcwd()
    tests = unittest.defaultTestLoader.loadTestsFromName(module)
    return unittest.TextTestRunner(resultclass=Recorder).run(tests).wasSuccessful()


def run(module, source, environment):
    """The tests of a module that passed, whether all of them did, and the log. A module that does not end is ended."""
    with tempfile.TemporaryDirectory() as folder:
        passed, log = pathlib.Path(folder, "passed"), pathlib.Path(folder, "log")
        passed.touch()
        environment = os.environ | environment | {"PASSED": str(passed)}
        with open(log, "w") as output:
            process = subprocess.Popen(
                [sys.executable, __file__, "--here", module], cwd=source, env=environment, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )
            try:
                process.wait(MODULE_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                print(f"{module} did not end in {MODULE_TIMEOUT_S} s", flush=True)
            finally:
                end_group(process)
        return set(passed.read_text().splitlines()), process.returncode == 0, log.read_text(errors="replace")


def end_group(process):
    try:
        os.killpg(process.pid, 9)
    except ProcessLookupError:
        pass
    process.wait()


def main(server, source, modules):
    source = pathlib.Path(source).resolve()
    # The source distribution leaves out the certificate that its tests use.
    certificates = source / "tests/cpp/wrapper/openssl"
    certificates.mkdir(parents=True, exist_ok=True)
    shutil.copy(HERE / "../../tls/cert.pem", certificates / "sample_cert.pem")
    shutil.copy(HERE / "../../tls/key.pem", certificates / "sample_private_key.pem")
    if not modules:
        files = sorted(file.relative_to(source) for file in source.glob("tests/**/test_*.py"))
        modules = [".".join(file.with_suffix("").parts) for file in files]
    with tempfile.TemporaryDirectory() as folder:
        started = pathlib.Path(folder, "started")
        started.touch()
        ours = {"PYTHONPATH": str(HERE), "OBJECT_STORE": str(pathlib.Path(server).resolve()), "STARTED_SERVERS": str(started)}
        total, worse = 0, []
        for module in modules:
            passed, is_success, log = run(module, source, ours)
            if not is_success:
                theirs, _, _ = run(module, source, {})
                if theirs - passed:
                    print(module, "is run again for", *sorted(theirs - passed), flush=True)
                    again, _, log = run(module, source, ours)
                    passed |= again
                for test in sorted(theirs - passed):
                    print(f"{log}PASSES ONLY WITH THE RELEASED SERVER: {test}", flush=True)
                    worse.append(test)
            total += len(passed)
            print(f"{module}: {len(passed)} passed", flush=True)
        servers = len(started.read_text().splitlines())
    print(f"{len(modules)} modules, {total} tests passed with {servers} object-stores, {len(worse)} pass only with the released server")
    return 1 if worse or not servers else 0


if __name__ == "__main__":
    if sys.argv[1] == "--here":
        sys.exit(not run_here(sys.argv[2]))
    else:
        sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
