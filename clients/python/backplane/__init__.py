"""Producers and a subscriber for Backplane: see the README.

Nothing is imported before it is used, so a program needs the packages of its own part only.
"""

from importlib import import_module

_PARTS = {
    "StatusMessenger": "status_messenger",
    "StatusMessengerHandler": "status_messenger",
    "RedisPrep": "redis_prep",
    "TaskEnum": "task_enum",
    "Gap": "subscriber",
    "Line": "subscriber",
    "Refused": "subscriber",
    "subscribe": "subscriber",
}
__all__ = list(_PARTS)


def __getattr__(name):
    if name not in _PARTS:
        raise AttributeError(f"module 'backplane' has no attribute {name!r}")
    return getattr(import_module(f"backplane.{_PARTS[name]}"), name)
