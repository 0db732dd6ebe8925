"""A client that connects and then only listens. Prints a line for each message, and how the connection has ended."""
import asyncio
import sys

import websockets


async def main(url):
    async with websockets.connect(url, ping_interval=None) as socket:
        try:
            async for message in socket:
                print("message", message, flush=True)
        finally:
            print("closed", socket.close_code, flush=True)


asyncio.run(main(sys.argv[1]))
