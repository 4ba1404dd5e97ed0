"""Tasks that hold a slot until a test lets them go."""

import asyncio


class Workers:
    """Starts tasks that acquire a slot, and hold it until `let_go`.

    Attributes:
        entered: Numbers of the tasks that got a slot, in order.
        tasks: All tasks, by number.
    """

    def __init__(self, slots):
        self.slots = slots
        self.entered = []
        self.tasks = []
        self._may_leave = asyncio.Semaphore(0)

    def start(self, count=1, flow="flow"):
        for _ in range(count):
            self.tasks.append(asyncio.create_task(self._hold(len(self.tasks), flow)))

    async def _hold(self, number, flow):
        await self.slots.acquire(flow)
        try:
            self.entered.append(number)
            await self._may_leave.acquire()
        finally:
            self.slots.release()

    def let_go(self, count=1):
        for _ in range(count):
            self._may_leave.release()

    async def finish(self):
        self.let_go(len(self.tasks))
        await asyncio.gather(*self.tasks, return_exceptions=True)
