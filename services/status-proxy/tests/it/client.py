"""A client and a producer written from the contract, without our code: Python's websockets and a plain socket."""
import asyncio, socket, sys
import websockets

PORT, REDIS = int(sys.argv[1]), int(sys.argv[2])


def publish(channel, text):
    with socket.create_connection(("127.0.0.1", REDIS)) as redis:
        parts = [b"PUBLISH", channel.encode(), text.encode()]
        redis.sendall(b"*3\r\n" + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts))
        assert redis.recv(100) == b":1\r\n", "one connection of the service receives it"


async def main():
    async with websockets.connect(f"ws://127.0.0.1:{PORT}/weppcloud/upset-reckoning:wepp") as client:
        await client.send('{"type":"init"}')
        publish("upset-reckoning:wepp", 'line "1" ü')
        assert await client.recv() == '{"type":"status","data":"line \\"1\\" ü"}'
        assert await client.recv() == '{"type":"ping"}'
        await client.send('{"type":"pong"}')
        await (await client.ping())
        publish("upset-reckoning:wepp", "line 2")
        frame = await client.recv()
        while frame == '{"type":"ping"}':
            frame = await client.recv()
        assert frame == '{"type":"status","data":"line 2"}', frame
    assert client.close_code == 1000, client.close_code


asyncio.run(asyncio.wait_for(main(), 20))
