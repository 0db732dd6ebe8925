"""Puts object-store in the place of opengris-scaler's own server, in every Python that has this folder in PYTHONPATH."""

import importlib.util
import pathlib
import sys


class StandIn:
    """Finds the stand-in where Python would find the released extension module."""

    @staticmethod
    def find_spec(name, _path=None, _target=None):
        if name == "scaler.object_storage.object_storage_server":
            return importlib.util.spec_from_file_location(name, pathlib.Path(__file__).with_name("stand_in.py"))
        return None


sys.meta_path.insert(0, StandIn)
