"""A client written from the contract alone. It connects, answers pings, and checks the messages that it is sent."""
import asyncio
import json
import sys

import websockets

LOCKS = dict.fromkeys(["watershed", "climate", "wepp", "soils", "landuse", "disturbed"], False)
ENTRIES = ["sbs_map", "channels", "outlet", "subcatchments", "landuse", "soils", "climate", "rap_ts", "wepp",
           "observed", "debris", "watar", "dss_export"]
TRUE_ENTRIES = {"channels", "outlet", "subcatchments", "landuse", "soils", "climate", "wepp"}


def expected_message(true_entries, **fields):
    return {"type": "preflight", "checklist": {entry: entry in true_entries for entry in ENTRIES}, "lock_statuses": LOCKS, **fields}


async def main(url):
    async with websockets.connect(url) as socket:
        await socket.send('{"type":"init"}')
        checklists, pings = [], 0
        while len(checklists) < 2 or pings < 2:
            message = await socket.recv()
            assert isinstance(message, str), message
            if message == '{"type":"ping"}':
                pings += 1
                await socket.send('{"type":"pong"}')
            else:
                checklists.append(json.loads(message))
        expected = [expected_message(set()), expected_message(TRUE_ENTRIES, last_modified=1714168234)]
        assert checklists == expected, checklists
    print("as the contract says")


asyncio.run(asyncio.wait_for(main(sys.argv[1]), 30))
