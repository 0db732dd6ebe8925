import asyncio
import contextlib
import time
import unittest

from backplane import Gap, Line, Refused, subscribe

from tests.support import FULL, World, eventually, problems, sign_token

SECRET = "a secret of the tests, long enough"


class Viewer:
    """Collects what a subscription yields: texts of lines, and None for a gap."""

    def __init__(self, world, channels, **options):
        self.events, self.states = {}, []
        self.error = None
        options = {"on_state": self.states.append, **options}
        self.task = asyncio.create_task(self.collect(subscribe(world.urls["status"], world.run, channels, **options)))

    async def collect(self, subscription):
        try:
            async with contextlib.aclosing(subscription) as events:
                async for event in events:
                    texts = self.of(event.channel)
                    texts.append(event.text if isinstance(event, Line) else None)
                    assert isinstance(event, (Line, Gap))
        except Refused as refused:
            self.error = refused

    def of(self, channel):
        return self.events.setdefault(channel, [])

    async def is_open(self):
        await eventually("open", lambda: self.states[-1:] == ["open"])

    async def close(self):
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task


class Subscriptions(unittest.IsolatedAsyncioTestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = World()
        cls.addClassCleanup(cls.world.stop)

    async def test_lines_arrive_as_published_after_the_history(self):
        first = Viewer(self.world, "h")
        await first.is_open()
        for text in ("one", 'two "ü" <b>'):
            await self.world.do_async("publish", "h", text)
        await eventually("both", lambda: len(first.of("h")) == 2)
        late = Viewer(self.world, ["h", "i"], history=1)
        await eventually("the last line", lambda: late.of("h") == ['two "ü" <b>'])
        await first.close()
        await late.close()

    async def test_what_is_published_while_no_connection_stands_is_there_once(self):
        viewer = Viewer(self.world, "cut")
        await viewer.is_open()
        await self.world.do_async("publish", "cut", 1)
        await eventually("the first", lambda: viewer.of("cut") == ["1"])
        await self.world.do_async("cut")
        for number in (2, 3):
            await self.world.do_async("publish", "cut", number)
        await eventually("the others", lambda: len(viewer.of("cut")) == 3)
        self.assertEqual(viewer.of("cut"), ["1", "2", "3"])
        await viewer.close()

    async def test_a_lost_connection_without_a_line_is_a_gap(self):
        viewer = Viewer(self.world, "quiet")
        await viewer.is_open()
        await self.world.do_async("cut")
        await eventually("a gap", lambda: viewer.of("quiet") == [None])
        await viewer.close()

    async def test_a_name_that_can_never_be_watched_is_refused(self):
        viewer = Viewer(self.world, "a b")
        await eventually("refused", lambda: viewer.error is not None)
        self.assertEqual(viewer.error.code, 4400)

    async def test_under_faults_every_line_comes_once_or_a_gap_is_told(self):
        viewers = [Viewer(self.world, ["a", "b"], silence=3) for _ in range(2)]
        for viewer in viewers:
            await viewer.is_open()
        result = await self.world.do_async("chaos", 600 if FULL else 10)
        for viewer in viewers:
            for channel in "ab":
                await eventually("the last line", lambda: viewer.of(channel)[-1:] == [str(result["published"])])
                self.assertEqual(list(problems(viewer.of(channel), 1, result["published"])), [])
            await viewer.close()
            lines, reconnects = viewer.of("a"), viewer.states.count("open") - 1
            self.assertGreater(reconnects, result["faults"] / 4)
            print(f"\n{result['faults']} faults, {reconnects} reconnects: {len(lines) - lines.count(None)} of "
                  f"{result['published']} lines of a channel, {lines.count(None)} gaps")


class Tokens(unittest.IsolatedAsyncioTestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = World(STATUS_TOKEN_KEY=f"secret:{SECRET}", STATUS_TOKEN_LEEWAY="0s")
        cls.addClassCleanup(cls.world.stop)

    async def test_a_token_is_renewed_before_its_end_and_the_socket_stays(self):
        asked = []

        async def token():
            asked.append(1)
            return sign_token(SECRET, {"runs": "r*", "exp": time.time() + 3})

        viewer = Viewer(self.world, "a", token=token)
        await eventually("three renewals", lambda: len(asked) >= 4)
        self.assertEqual(viewer.states, ["connecting", "open"])
        await viewer.close()

    async def test_wrong_tokens_are_refused(self):
        other = sign_token(SECRET, {"runs": "other", "exp": time.time() + 60})
        for token, code in (("wrong", 4401), (lambda: other, 4403)):
            viewer = Viewer(self.world, "a", token=token)
            await eventually("refused", lambda: viewer.error is not None)
            self.assertEqual(viewer.error.code, code)
