"""The hash of a run in Redis, from which preflight computes its checklist."""

import json
import os
import tempfile
import threading
import time
from typing import Callable, Dict, Optional

from backplane.connection import connect
from backplane.task_enum import TaskEnum

__all__ = ["RedisPrep", "TaskEnum"]
_DB = 0
_LOADED = {"attrs:loaded": "true"}


class RedisPrep:
    """Timestamps and attributes of the run whose working directory is `wd`. The run's id is the last part of `wd`.

    After each change the hash without its locks is in `<wd>/redisprep.dump`, if that directory exists. The file is replaced
    as a whole. `getInstance` reads it back where Redis has lost the run.
    """

    #: For `getInstanceFromRunID`: the working directory of a run. Set it once: `RedisPrep.find_wd = staticmethod(get_wd)`.
    find_wd: Optional[Callable[[str], str]] = None

    def __init__(self, wd: str, cfg_fn: Optional[str] = None):
        self._open(wd, cfg_fn)
        if not os.path.exists(self.dump_filepath):
            self._change(_LOADED)

    def _open(self, wd, cfg_fn):
        self.wd, self.cfg_fn = wd, cfg_fn
        self.run_id = os.path.basename(wd.rstrip("/"))
        self.redis = connect(_DB)
        # Held from a change until its file is written: an older hash must not replace a newer one in the file.
        self._write_order = threading.Lock()

    def __getstate__(self) -> Dict[str, Optional[str]]:
        return {"wd": self.wd, "cfg_fn": self.cfg_fn, "run_id": self.run_id}

    def __setstate__(self, state):
        self._open(state["wd"], state["cfg_fn"])

    @staticmethod
    def getInstance(wd: str = ".", allow_nonexistent: bool = False, ignore_lock: bool = False) -> "RedisPrep":
        """As the constructor; and the file is read back if Redis does not have the run."""
        instance = RedisPrep(wd)
        instance.lazy_load()
        return instance

    @staticmethod
    def tryGetInstance(wd: str = ".", allow_nonexistent: bool = True, ignore_lock: bool = False) -> Optional["RedisPrep"]:
        try:
            return RedisPrep.getInstance(wd, allow_nonexistent=allow_nonexistent, ignore_lock=ignore_lock)
        except FileNotFoundError:
            return None

    @staticmethod
    def getInstanceFromRunID(runid: str, allow_nonexistent: bool = False, ignore_lock: bool = False) -> "RedisPrep":
        if RedisPrep.find_wd is None:
            raise LookupError("where runs are is not known: set RedisPrep.find_wd")
        return RedisPrep.getInstance(RedisPrep.find_wd(runid), allow_nonexistent, ignore_lock)

    @property
    def dump_filepath(self) -> str:
        return os.path.join(self.wd, "redisprep.dump")

    def dump(self) -> None:
        """Writes the file."""
        with self._write_order:
            self._dump()

    def _dump(self):
        if not os.path.isdir(self.wd):
            return
        fields = {name: value for name, value in self.redis.hgetall(self.run_id).items() if not name.startswith("locked:")}
        path = os.path.realpath(self.dump_filepath)  # A symbolic link stays one.
        try:
            mode = os.stat(path).st_mode & 0o7777
        except FileNotFoundError:
            umask = os.umask(0)
            os.umask(umask)
            mode = 0o666 & ~umask
        descriptor, draft = tempfile.mkstemp(".tmp", "redisprep.dump.", os.path.dirname(path))
        try:
            with os.fdopen(descriptor, "w") as file:
                json.dump(fields, file)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(draft, mode)
            os.replace(draft, path)
        except BaseException:
            os.unlink(draft)
            raise

    def lazy_load(self) -> None:
        """Reads the file into the hash, unless Redis has the run's state."""
        if self._get_bool_config("loaded") or not os.path.exists(self.dump_filepath):
            return
        with open(self.dump_filepath) as file:
            fields = json.load(file)
        self.redis.hset(self.run_id, mapping={**fields, **_LOADED})

    @property
    def sbs_required(self) -> bool:
        return self._get_bool_config("sbs_required")

    @sbs_required.setter
    def sbs_required(self, value: bool) -> None:
        self._set_bool_config("sbs_required", value)

    @property
    def has_sbs(self) -> bool:
        return self._get_bool_config("has_sbs")

    @has_sbs.setter
    def has_sbs(self, value: bool) -> None:
        self._set_bool_config("has_sbs", value)

    def _get_bool_config(self, key: str) -> bool:
        return (self._field(f"attrs:{key}") or "").lower() == "true"

    def _set_bool_config(self, key: str, value: bool) -> None:
        self._change({f"attrs:{key}": "true" if value else "false"})

    def set_locked(self, name: str, locked: bool) -> None:
        """`True` while a part of the run is being worked on."""
        self._change({f"locked:{name}": "true" if locked else "false"})

    def timestamp(self, key: TaskEnum) -> None:
        """Marks a task as done now."""
        self[str(key)] = int(time.time())

    def timestamps_report(self) -> str:
        fields = self.redis.hgetall(self.run_id)
        lines = [f"  {task}: {fields.get(f'timestamps:{task}')}" for task in TaskEnum]
        return "\n".join([f"RedisPrep Timestamps ({self.run_id}):", *lines])

    def remove_timestamp(self, key: TaskEnum) -> None:
        """Marks a task as not done."""
        self._change(_LOADED, [f"timestamps:{key}"])

    def remove_all_timestamp(self) -> None:
        self._change(_LOADED, [f"timestamps:{task}" for task in TaskEnum])

    def __setitem__(self, key: str, value: int) -> None:
        self._change({f"timestamps:{key}": value})

    def __getitem__(self, key: str) -> Optional[int]:
        value = self._field(f"timestamps:{key}")
        return None if value is None else int(value)

    def set_rq_job_id(self, key: str, job_id: str) -> None:
        self._change({f"rq:{key}": job_id})

    def get_rq_job_id(self, key: str) -> Optional[str]:
        return self._field(f"rq:{key}")

    def get_rq_job_ids(self) -> Dict[str, str]:
        return {name[3:]: value for name, value in self.redis.hgetall(self.run_id).items() if name.startswith("rq:")}

    def set_archive_job_id(self, job_id: str) -> None:
        self._change({"archive:job_id": job_id})

    def get_archive_job_id(self) -> Optional[str]:
        return self._field("archive:job_id")

    def clear_archive_job_id(self) -> None:
        self._change(_LOADED, ["archive:job_id"])

    def _field(self, name):
        return self.redis.hget(self.run_id, name)

    def _change(self, fields, removed=()):
        with self._write_order:
            # `loaded` says that the hash is newer than the file.
            self.redis.hset(self.run_id, mapping={**fields, **_LOADED})
            if removed:
                self.redis.hdel(self.run_id, *removed)
            self._dump()
