#!/usr/bin/python3
"""Runs WITHOUT_BINARY as on a file system that lacks the calls whose numbers WITHOUT_CALLS names: they fail with EINVAL."""

import ctypes
import os
import struct
import sys

libc = ctypes.CDLL(None, use_errno=True)
ALLOW, FAIL_EINVAL = 0x7FFF0000, 0x00050000 | 22
calls = [int(call) for call in os.environ["WITHOUT_CALLS"].split(",")]
rules = [(0x20, 0, 0, 0)]  # load the number of the call
for call in calls:
    rules += [(0x15, 0, 1, call), (0x06, 0, 0, FAIL_EINVAL)]
rules.append((0x06, 0, 0, ALLOW))
program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *rule) for rule in rules))


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("rules", ctypes.c_void_p)]


assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(Program(len(rules), ctypes.addressof(program)))) == 0, ctypes.get_errno()
os.execv(os.environ["WITHOUT_BINARY"], ["etl-worker", *sys.argv[1:]])
