"""A client written from the contract alone: connects, answers pings, and compares what it is sent."""
import asyncio
import json
import sys

import websockets

LOCKS = dict.fromkeys(["watershed", "climate", "wepp", "soils", "landuse", "disturbed"], False)
ENTRIES = ["sbs_map", "channels", "outlet", "subcatchments", "landuse", "soils", "climate", "rap_ts", "wepp",
           "observed", "debris", "watar", "dss_export"]
TRUE = {"channels", "outlet", "subcatchments", "landuse", "soils", "climate", "wepp"}


def answer(true, **more):
    return {"type": "preflight", "checklist": {entry: entry in true for entry in ENTRIES}, "lock_statuses": LOCKS, **more}


async def main(url):
    async with websockets.connect(url) as socket:
        await socket.send('{"type":"init"}')
        answers, pings = [], 0
        while len(answers) < 2 or pings < 2:
            frame = await socket.recv()
            assert isinstance(frame, str), frame
            if frame == '{"type":"ping"}':
                pings += 1
                await socket.send('{"type":"pong"}')
            else:
                answers.append(json.loads(frame))
        assert answers == [answer(set()), answer(TRUE, last_modified=1714168234)], answers
    print("as the contract says")


asyncio.run(asyncio.wait_for(main(sys.argv[1]), 30))
