"""consumer.py URL AGENT COUNT TOPIC...: OmniDaemon's loops for an agent with so many consumers on each topic.

Prints the task_id of each task that it is given, and a line when a consumer ends. As in OmniDaemon a consumer ends for
good when its subscription's flag is not true, when its group is gone, or when the connection was closed under it; after
any other error it tries again. A task whose XACK Redis did not confirm stays pending until it is reclaimed, and is printed
as "again TASK" then; one that Redis gives away though it had confirmed the XACK is printed as "acknowledged TASK".
"""

import asyncio
import json
import sys

from redis import asyncio as redis

FATAL = ("nogroup", "connection closed", "connection reset")
IDLE = 1000  # milliseconds, after which a pending task is reclaimed


class Subscription:
    def __init__(self, client, topic, agent):
        self.redis, self.stream, self.group = client, f"omni-stream:{topic}", f"group:{topic}:{agent}"
        self.flag = f"omni:config:_subscription_active:{self.group}"
        self.in_flight, self.acknowledged = set(), set()

    async def subscribe(self):
        await self.redis.xgroup_create(self.stream, self.group, id="$", mkstream=True)
        await self.redis.set(self.flag, "true")

    async def active(self):
        try:
            return await self.redis.get(self.flag) == "true"
        except redis.RedisError:
            return True

    async def consume(self, name):
        while await self.active():
            try:
                for _, entries in await self.redis.xreadgroup(self.group, name, {self.stream: ">"}, count=10, block=5000):
                    for id, fields in entries:
                        asyncio.create_task(self.process(id, task_of(fields)))
            except Exception as error:
                if any(words in str(error).lower() for words in FATAL):
                    return str(error)
                await asyncio.sleep(0.2)
        return "the flag"

    async def process(self, id, line):
        self.in_flight.add(id)
        print(line, flush=True)
        try:
            await self.redis.xack(self.stream, self.group, id)
            self.acknowledged.add(id)
            await self.redis.xadd("omni-metrics", {"data": json.dumps({"msg_id": id})}, maxlen=1_000_000, approximate=True)
        except redis.RedisError:
            pass
        finally:
            self.in_flight.discard(id)

    async def reclaim(self, name):
        while await self.active():
            try:
                for pending in await self.redis.xpending_range(self.stream, self.group, "-", "+", count=50):
                    if pending["time_since_delivered"] >= IDLE and pending["message_id"] not in self.in_flight:
                        await self.claim(name, pending["message_id"])
            except redis.RedisError:
                pass
            await asyncio.sleep(0.2)

    async def claim(self, name, id):
        why = "acknowledged" if id in self.acknowledged else "again"
        for _, fields in await self.redis.xclaim(self.stream, self.group, name, IDLE, [id]):
            await self.process(id, f"{why} {task_of(fields)}")


def task_of(fields):
    return json.loads(fields["data"])["task_id"]


async def main(url, agent, count, *topics):
    client = redis.from_url(url, decode_responses=True)
    consumers, reclaimers = [], []
    for topic in topics:
        s = Subscription(client, topic, agent)
        await s.subscribe()
        for n in range(int(count)):
            consumers.append(s.consume(f"consumer:{agent}-{n + 1}"))
            reclaimers.append(asyncio.create_task(s.reclaim(f"consumer:{agent}-{n + 1}")))
    for ended in asyncio.as_completed(consumers):
        print("ended by", await ended, flush=True)
    await asyncio.gather(*reclaimers)
    await client.close()


asyncio.run(main(*sys.argv[1:]))
