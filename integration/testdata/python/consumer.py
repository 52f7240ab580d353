"""consumer.py URL TOPIC AGENT COUNT: OmniDaemon's consume loops.

Prints the task_id of each task it has done, and a line when a loop ends. As in
OmniDaemon a loop ends for good when its subscription's flag is not true, when
its group is gone, or when the connection was closed under it; after any other
error it tries again.
"""

import asyncio
import json
import sys

from redis import asyncio as redis

FATAL = ("nogroup", "connection closed", "connection reset")


async def consume(client, topic, group, name):
    stream, flag = f"omni-stream:{topic}", f"omni:config:_subscription_active:{group}"
    while True:
        try:
            if await client.get(flag) != "true":
                return "the flag"
        except redis.RedisError:
            pass
        try:
            streams = await client.xreadgroup(group, name, {stream: ">"}, count=10, block=5000)
            for _, entries in streams:
                for id, fields in entries:
                    print(json.loads(fields["data"])["task_id"], flush=True)
                    await client.xack(stream, group, id)
        except Exception as error:
            if any(words in str(error).lower() for words in FATAL):
                return str(error)
            await asyncio.sleep(0.2)


async def main(url, topic, agent, count):
    client = redis.from_url(url, decode_responses=True)
    group = f"group:{topic}:{agent}"
    await client.xgroup_create(f"omni-stream:{topic}", group, id="$", mkstream=True)
    await client.set(f"omni:config:_subscription_active:{group}", "true")
    loops = [consume(client, topic, group, f"consumer:{agent}-{n + 1}") for n in range(int(count))]
    for ended in asyncio.as_completed(loops):
        print("ended by", await ended, flush=True)
    await client.close()


asyncio.run(main(*sys.argv[1:]))
