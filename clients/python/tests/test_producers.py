import json
import logging
import os
import pickle
import tempfile
import time
import unittest
from unittest import mock

import redis

from backplane import RedisPrep, StatusMessenger, StatusMessengerHandler, TaskEnum
from tests.support import World, eventually
from tests.test_subscriber import Viewer


class Producers(unittest.IsolatedAsyncioTestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = World()
        cls.addClassCleanup(cls.world.stop)
        environment = {"REDIS_URL": f"redis://127.0.0.1:{cls.world.urls['redis']}"}
        patch = mock.patch.dict(os.environ, environment)
        patch.start()
        cls.addClassCleanup(patch.stop)
        cls.redis = redis.Redis(port=cls.world.urls["redis"], decode_responses=True)
        cls.addClassCleanup(cls.redis.close)

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.wd = os.path.join(folder.name, f"run-{time.monotonic_ns()}")
        os.mkdir(self.wd)

    def prep(self):
        prep = RedisPrep(self.wd)
        self.addCleanup(prep.redis.close)
        return prep

    def dumped(self):
        with open(os.path.join(self.wd, "redisprep.dump")) as file:
            return json.load(file)

    async def test_lines_of_both_reach_a_viewer(self):
        viewer = Viewer(self.world, ["wepp"])
        await viewer.is_open()
        channel = f"{self.world.run}:wepp"
        self.assertGreaterEqual(StatusMessenger.publish(channel, "a line"), 1)
        logger = logging.Logger("test")
        logger.addHandler(StatusMessengerHandler(channel))
        logger.warning("%d of %d", 1, 2)
        await eventually("both", lambda: len(viewer.of("wepp")) == 2)
        self.assertEqual(viewer.of("wepp"), ["a line", "1 of 2"])
        await viewer.close()
        StatusMessenger._get_client().close()

    def test_a_handler_needs_a_channel(self):
        for channel in ("", None, 3):
            with self.assertRaises(ValueError):
                StatusMessengerHandler(channel)

    def test_a_line_that_cannot_be_published_does_not_end_the_program(self):
        logger = logging.Logger("test")
        handler = StatusMessengerHandler("r:c")
        logger.addHandler(handler)
        with mock.patch.object(StatusMessenger, "publish", side_effect=redis.ConnectionError), \
                mock.patch.object(handler, "handleError") as told:
            logger.warning("lost")
        told.assert_called_once()

    def test_each_change_is_in_the_hash_and_in_the_file(self):
        prep = self.prep()
        self.assertEqual(prep.run_id, os.path.basename(self.wd))
        before = int(time.time())
        prep.timestamp(TaskEnum.build_soils)
        prep.has_sbs = True
        prep["run_wepp"] = 7
        prep.set_locked("soils", True)
        prep.set_rq_job_id("wepp", "job 1")
        prep.set_archive_job_id("job 2")
        self.assertTrue(before <= prep["build_soils"] <= time.time())
        self.assertTrue(prep.has_sbs and not prep.sbs_required)
        self.assertEqual((prep["run_wepp"], prep["absent"], prep.get_rq_job_ids(), prep.get_archive_job_id()),
                         (7, None, {"wepp": "job 1"}, "job 2"))
        fields = self.redis.hgetall(prep.run_id)
        self.assertEqual(fields.pop("locked:soils"), "true")
        self.assertEqual(self.dumped(), fields)
        self.assertEqual(fields["attrs:loaded"], "true")
        prep.remove_timestamp(TaskEnum.build_soils)
        self.assertNotIn("timestamps:build_soils", self.dumped())
        prep.remove_all_timestamp()
        prep.clear_archive_job_id()
        self.assertEqual(sorted(self.dumped()), ["attrs:has_sbs", "attrs:loaded", "rq:wepp"])
        self.assertEqual(os.listdir(self.wd), ["redisprep.dump"])

    def test_a_file_keeps_its_mode_and_a_link_stays_one(self):
        target = os.path.join(self.wd, "elsewhere")
        with open(target, "w") as file:
            file.write("{}")
        os.chmod(target, 0o640)
        os.symlink("elsewhere", os.path.join(self.wd, "redisprep.dump"))
        self.prep().timestamp(TaskEnum.set_outlet)
        self.assertTrue(os.path.islink(os.path.join(self.wd, "redisprep.dump")))
        self.assertEqual(os.stat(target).st_mode & 0o777, 0o640)
        self.assertIn("timestamps:set_outlet", self.dumped())

    def test_a_run_that_redis_has_lost_is_read_back(self):
        prep = self.prep()
        prep["build_soils"] = 5
        self.redis.delete(prep.run_id)
        again = RedisPrep.getInstance(self.wd)
        self.addCleanup(again.redis.close)
        self.assertEqual(again["build_soils"], 5)
        RedisPrep.find_wd = staticmethod(lambda run: self.wd)
        by_id = RedisPrep.getInstanceFromRunID(prep.run_id)
        self.addCleanup(by_id.redis.close)
        copy = pickle.loads(pickle.dumps(by_id))
        self.addCleanup(copy.redis.close)
        self.assertEqual((copy.wd, copy["build_soils"]), (self.wd, 5))

    def test_tasks_have_names_for_people(self):
        self.assertEqual(str(TaskEnum.fetch_rap_ts), "build_rap_ts")
        self.assertEqual(TaskEnum.build_soils.label(), "Build Soils")
        self.assertEqual(TaskEnum.run_wepp.label(), "Run WEPP")
        self.assertTrue(all(task.emoji() for task in TaskEnum))
        self.assertIn("build_soils: None", self.prep().timestamps_report())
