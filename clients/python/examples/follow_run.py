"""Prints the lines of a run as they are published: python follow_run.py URL RUN CHANNEL… The URL is that of status-proxy."""

import asyncio
import sys

from backplane import Gap, subscribe


async def main(url, run, *channels):
    def show(state):
        print(state, file=sys.stderr)

    async for event in subscribe(url, run, channels, on_state=show):
        print(event.channel, "lines may be missing here" if isinstance(event, Gap) else event.text, flush=True)


asyncio.run(main(*sys.argv[1:]))
