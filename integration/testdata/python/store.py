"""store.py VERB STORE: does the same to either of OmniDaemon's stores.

STORE is a Redis URL or a directory. The verbs:
  fill      stores some of everything
  change    changes some of what fill stored
  describe  prints everything, in a form that does not depend on the store
  clear     deletes everything (Redis store only) and prints how much that was
"""

import asyncio
import json
import sys

from jsonstore import JSONStore
from redisstore import RedisStore

TOPICS = ("file.uploaded", "a:b", "тема", "with space", "{tag}")
NAMES = ("processor", "svc:1", "агент 🤖")
CONFIG = {
    "dict": {"z": 1, "a": [1, 1.0, -0.0, 1e16, 1e-05, 5e-324], "ж": "<&>/\u007f"},
    "list": [],
    "text": 'line\nbreak "quoted"',
    "digits": "42",
    "null text": "null",
    "none": None,
    "true": True,
    "big": 123456789012345678901234567890,
    "not a number": [float("nan"), float("inf"), float("-inf")],
    "lone surrogate": "\ud83e",
    "a:b:в": 0,
    "_subscription_active:group:file.uploaded:processor": False,
}
KEPT_RESULTS = 5


async def fill(store):
    await store.save_result("short", {"gone": True}, ttl=1)
    for topic in TOPICS:
        for name in NAMES:
            await store.add_agent(topic, {
                "name": name,
                "callback_name": "call",
                "tools": ["search", "поиск"],
                "description": f'{name} on {topic}: "<&>"\n🚀',
                "config": {"consumer_count": 2, "nested": {"x": [None, 1.5, {}]}},
            })
    if isinstance(store, JSONStore):  # dicts that the Redis store would refuse or complete
        await store.add_agent("file.uploaded", {"name": "sparse"})
        await store.add_agent("file.uploaded", {"description": None, "name": "more", "created_at": 1763859213.5, "owner": ["ops"]})
    for n in range(KEPT_RESULTS):
        await store.save_result(f"task:{n}:задача", {"n": n, "text": "ж", "more": [1e22, None]}, ttl=86400 if n % 2 else None)
    for n in range(150):
        await store.save_metric({"topic": TOPICS[n % 2], "event": "task_processed", "n": n, "duration": n / 7})
    for name, value in CONFIG.items():
        await store.save_config(name, value)
    await asyncio.sleep(1.1)  # "short" is over


async def change(store):
    assert await store.delete_agent("a:b", "svc:1") is True
    assert await store.delete_agent("a:b", "nobody") is False
    assert await store.delete_topic("тема") == len(NAMES)
    await store.add_agent("new:topic", {"name": "svc:1", "callback_name": "other", "tools": [], "description": "", "config": {}})
    await store.add_agent("file.uploaded", {"name": "processor", "callback_name": "renewed"})
    assert await store.delete_result("task:0:задача") is True
    await store.save_result("task:1:задача", "done again", ttl=3600)
    await store.save_result("late", None)
    for n in range(10):
        await store.save_metric({"topic": "late", "n": n})
    await store.save_config("none", {"no": "longer"})
    await store.save_config("list", [[]])


def documented(topic, agent):
    """An agent's seven fields, with what the Redis store's reader puts for an absent one."""
    return {
        "name": agent["name"],
        "callback_name": agent.get("callback_name"),
        "tools": agent.get("tools", []),
        "description": agent.get("description"),
        "config": agent.get("config", {}),
        "topic": agent.get("topic", topic),
        "created_at": float(agent.get("created_at", 0)),
    }


async def describe(store):
    asked = {task: await store.get_result(task) for task in ("short", "unknown", "late")}
    listed = await store.list_all_agents()
    for topic, agents in listed.items():
        for agent in agents:
            assert await store.get_agent(topic, agent["name"]) == agent, agent
    results = await store.list_results()
    for r in results:
        assert await store.get_result(r["task_id"]) == r["result"], r
    print(json.dumps({
        "agents": {
            topic: sorted((documented(topic, a) for a in agents), key=lambda a: a["name"])
            for topic, agents in sorted(listed.items()) if agents
        },
        "asked": asked,
        "results": [[r["task_id"], r["result"], r["saved_at"], await store.deadline(r["task_id"])] for r in results],
        "latest result": [r["task_id"] for r in await store.list_results(limit=1)],
        "metrics": await store.get_metrics(),
        "latest metrics": await store.get_metrics(limit=3),
        "metrics of a:b": await store.get_metrics(topic="a:b"),
        "config": {name: await store.get_config(name) for name in CONFIG},
        "no config": await store.get_config("missing", default="default"),
    }, indent=1))


async def clear(store):
    assert (await store.health())["redis_version"].startswith("7.")
    print(json.dumps(await store.clear_all()))


async def main(verb, where):
    store = RedisStore(where) if "://" in where else JSONStore(where)
    await globals()[verb](store)
    await store.close()


asyncio.run(main(*sys.argv[1:]))
