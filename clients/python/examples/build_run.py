"""Builds a run, as a simulation would: python build_run.py DIRECTORY. The directory's name is the run's."""

import logging
import os
import sys
import time

from backplane import RedisPrep, StatusMessenger, StatusMessengerHandler, TaskEnum

directory = sys.argv[1]
run = os.path.basename(directory.rstrip("/"))
log = logging.getLogger("build")
log.setLevel(logging.INFO)
log.addHandler(StatusMessengerHandler(f"{run}:log"))

prep = RedisPrep(directory)
for task in (TaskEnum.build_landuse, TaskEnum.build_soils, TaskEnum.build_climate):
    log.info("%s begins", task.value)
    for percent in (0, 50, 100):
        StatusMessenger.publish(f"{run}:{task.value}", f"{percent} %")
        time.sleep(0.05)
    prep.timestamp(task)
log.info("the run is built")
