"""bus.py URL: the commands of OmniDaemon's event bus, and what becomes of tasks.

Prints one line for each thing that went as it must.
"""

import asyncio
import json
import sys
import time

from redis import asyncio as redis
from redis.exceptions import ResponseError

BATCH = 10
BLOCK = 5000  # milliseconds
RETRIES = 2
STREAM_CAP, MONITOR_CAP = 10_000, 1_000_000


async def until(what, condition):
    """Waits for a condition that a coroutine function tests."""
    deadline = time.monotonic() + 20
    while not await condition():
        assert time.monotonic() < deadline, f"after 20 s: not {what}"
        await asyncio.sleep(0.02)


class Bus:
    def __init__(self, url):
        self.redis = redis.from_url(url, decode_responses=True)

    async def close(self):
        await self.redis.close()

    async def add(self, stream, data, cap):
        return await self.redis.xadd(stream, {"data": json.dumps(data)}, maxlen=cap, approximate=True)

    async def publish(self, topic, task, content):
        return await self.add(f"omni-stream:{topic}", {
            "content": content, "webhook": None, "reply_to": None, "topic": topic, "task_id": task,
            "correlation_id": None, "causation_id": None, "source": None, "delivery_attempts": 0, "created_at": time.time(),
        }, STREAM_CAP)

    async def subscribe(self, topic, agent, callback, consumers=1, idle=50):
        """A task that is pending for idle milliseconds is taken for abandoned."""
        s = Subscription(self, topic, agent, callback, idle)
        try:
            await self.redis.xgroup_create(s.stream, s.group, id="$", mkstream=True)
        except ResponseError as error:
            assert str(error).startswith("BUSYGROUP"), error
        await self.redis.set(s.flag, "true")
        for n in range(consumers):
            name = f"consumer:{agent}-{n + 1}"
            s.readers.append(asyncio.create_task(s.read(name)))
            s.reclaimers.append(asyncio.create_task(s.reclaim(name)))
        return s


class Subscription:
    def __init__(self, bus, topic, agent, callback, idle):
        self.bus, self.redis, self.topic, self.callback, self.idle = bus, bus.redis, topic, callback, idle
        self.stream, self.group = f"omni-stream:{topic}", f"group:{topic}:{agent}"
        self.flag = f"omni:config:_subscription_active:{self.group}"
        self.dead_letters, self.retries = f"omni-dlq:{self.group}", f"retry_counts:{self.group}"
        self.readers, self.reclaimers = [], []

    async def read(self, consumer):
        while await self.redis.get(self.flag) == "true":
            for _, entries in await self.redis.xreadgroup(self.group, consumer, {self.stream: ">"}, count=BATCH, block=BLOCK):
                for id, fields in entries:
                    try:
                        self.callback(consumer, json.loads(fields["data"]))
                    except ValueError:
                        continue  # it stays pending
                    await self.done(consumer, id, "processed")

    async def done(self, consumer, id, event):
        await self.redis.xack(self.stream, self.group, id)
        await self.monitor(consumer, id, event)

    async def monitor(self, consumer, id, event):
        await self.bus.add("omni-metrics", {
            "topic": self.topic, "event": event, "msg_id": id, "group": self.group, "consumer": consumer, "timestamp": time.time(),
        }, MONITOR_CAP)

    async def reclaim(self, consumer):
        while await self.redis.get(self.flag) == "true":
            for pending in await self.redis.xpending_range(self.stream, self.group, "-", "+", count=50):
                if pending["time_since_delivered"] >= self.idle:
                    for id, fields in await self.redis.xclaim(self.stream, self.group, consumer, self.idle, [pending["message_id"]]):
                        await self.retry(consumer, id, json.loads(fields["data"]))
            await asyncio.sleep(0.02)

    async def retry(self, consumer, id, task):
        await self.monitor(consumer, id, "reclaim_attempt")
        count = await self.redis.hincrby(self.retries, id, 1)
        await self.redis.expire(self.retries, 3600)
        if count <= RETRIES:
            try:
                self.callback(consumer, task)
            except ValueError:
                return
            await self.done(consumer, id, "reclaimed")
        else:
            await self.bus.add(self.dead_letters, {
                "topic": self.topic, "original_stream": self.stream, "original_id": id, "failed_message": task,
                "error": f"Max retries ({RETRIES + 1}) exceeded", "retry_count": count - 1, "failed_at": time.time(),
            }, STREAM_CAP)
            await self.done(consumer, id, "dlq_push")
        await self.redis.hdel(self.retries, id)

    async def unsubscribe(self):
        """Returns what the readers that were waiting got."""
        await self.redis.set(self.flag, "false")
        await self.redis.xgroup_destroy(self.stream, self.group)
        return await asyncio.wait_for(asyncio.gather(*self.readers, return_exceptions=True), timeout=BLOCK / 1000 / 2)


async def tasks_are_shared(bus):
    done = []
    await bus.publish("files", "too early", None)
    s = await bus.subscribe("files", "worker", lambda consumer, task: done.append((consumer, task["task_id"])), consumers=2, idle=60_000)
    await until("both waiting", lambda: waiting(bus, 2))
    for n in range(40):
        await bus.publish("files", f"task {n}", {"path": f"/in/{n}", "ж": n})
    await until("all done", lambda: through(bus, s, 40))
    assert sorted(t for _, t in done) == sorted(f"task {n}" for n in range(40)), done
    assert {c for c, _ in done} == {"consumer:worker-1", "consumer:worker-2"}, done
    print("40 tasks done once each by 2 consumers")
    return s


async def a_failing_callback_ends_in_the_dead_letters(bus):
    tried = []

    def fail(consumer, task):
        tried.append(task["task_id"])
        raise ValueError("no")

    s = await bus.subscribe("bad", "worker", fail)
    id = await bus.publish("bad", "poison", {"n": 1})

    async def dead():
        return await bus.redis.xlen(s.dead_letters) == 1

    await until("dead", dead)
    await until("through", lambda: through(bus, s, 1))
    [(_, fields)] = await bus.redis.xrevrange(s.dead_letters, "+", "-", count=10)
    letter = json.loads(fields["data"])
    assert letter["original_id"] == id and letter["original_stream"] == "omni-stream:bad", letter
    assert letter["failed_message"]["task_id"] == "poison" and letter["failed_message"]["content"] == {"n": 1}, letter
    assert (letter["retry_count"], letter["error"]) == (2, "Max retries (3) exceeded"), letter
    assert tried == ["poison"] * 3, tried
    await until("forgotten", lambda: forgotten(bus, s))
    print("tried 3 times, then a dead letter")
    return s


async def what_a_dead_consumer_had_is_done_by_another(bus):
    """The group outlives its consumers; subscribing again finds it there."""
    group = "group:orphans:worker"
    await bus.redis.xgroup_create("omni-stream:orphans", group, id="$", mkstream=True)
    id = await bus.publish("orphans", "left behind", None)
    [[_, [(read, _)]]] = await bus.redis.xreadgroup(group, "consumer:dead", {"omni-stream:orphans": ">"}, count=BATCH, block=BLOCK)
    assert read == id
    done = []
    s = await bus.subscribe("orphans", "worker", lambda consumer, task: done.append((consumer, task["task_id"])))
    await until("done", lambda: through(bus, s, 1))
    assert done == [("consumer:worker-1", "left behind")], done
    await until("forgotten", lambda: forgotten(bus, s))
    print("an abandoned task is done by another consumer")
    return s


async def everything_is_found(bus):
    """What OmniDaemon's command line lists."""
    found = {}
    async for stream in bus.redis.scan_iter(match="omni-stream:*", count=100):
        found[stream] = [(g["name"], g["consumers"], g["pending"]) for g in await bus.redis.xinfo_groups(stream)]
    assert found == {
        "omni-stream:files": [("group:files:worker", 2, 0)],
        "omni-stream:bad": [("group:bad:worker", 1, 0)],
        "omni-stream:orphans": [("group:orphans:worker", 2, 0)],
    }, found
    assert await bus.redis.keys("omni-dlq:*") == ["omni-dlq:group:bad:worker"]
    events = [json.loads(fields["data"])["event"] for _, fields in await bus.redis.xrange("omni-metrics")]
    counts = {event: events.count(event) for event in sorted(set(events))}
    assert counts == {"dlq_push": 1, "processed": 40, "reclaim_attempt": 4, "reclaimed": 1}, counts
    print("streams, groups, dead letters and events are listed")


async def unsubscribing_wakes_who_waits(bus, subscriptions):
    await until("all waiting", lambda: waiting(bus, 4))
    for s in subscriptions:
        for got in await s.unsubscribe():
            assert isinstance(got, ResponseError) and str(got).startswith("NOGROUP"), repr(got)
        await bus.redis.delete(s.dead_letters)
        await asyncio.gather(*s.reclaimers, return_exceptions=True)
        assert await bus.redis.xinfo_groups(s.stream) == []
        assert await bus.redis.get(s.flag) == "false"
    print("unsubscribing woke the waiting readers with NOGROUP")


async def waiting(bus, readers):
    return (await bus.redis.info("clients"))["blocked_clients"] == readers


async def through(bus, s, tasks):
    """Whether a subscription is through with so many tasks, as the monitoring stream says."""
    [group] = await bus.redis.xinfo_groups(s.stream)
    events = [json.loads(fields["data"]) for _, fields in await bus.redis.xrange("omni-metrics")]
    ends = [e for e in events if e["group"] == s.group and e["event"] != "reclaim_attempt"]
    return group["pending"] == 0 and len(ends) == tasks


async def forgotten(bus, s):
    """Whether no retries are counted any more."""
    return await bus.redis.exists(s.retries) == 0


async def main(url):
    bus = Bus(url)
    subscriptions = [
        await tasks_are_shared(bus),
        await a_failing_callback_ends_in_the_dead_letters(bus),
        await what_a_dead_consumer_had_is_done_by_another(bus),
    ]
    await everything_is_found(bus)
    await unsubscribing_wakes_who_waits(bus, subscriptions)
    await bus.close()


asyncio.run(main(*sys.argv[1:]))
