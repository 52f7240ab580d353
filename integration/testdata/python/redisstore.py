"""The commands that OmniDaemon's Redis store sends, through redis-py."""

import json
import time

from redis import asyncio as redis

PREFIX = "omni"


def key(*parts):
    return ":".join((PREFIX, *parts))


def text(value):
    return json.dumps(value, default=str)


class RedisStore:
    def __init__(self, url):
        self.redis = redis.from_url(url, decode_responses=True)

    async def close(self):
        await self.redis.close()

    async def health(self):
        await self.redis.ping()
        info = await self.redis.info()
        return {name: info[name] for name in ("redis_version", "used_memory_human", "connected_clients")}

    async def add_agent(self, topic, agent):
        name = agent["name"]
        fields = {
            "name": name,
            "callback_name": agent.get("callback_name", ""),
            "tools": json.dumps(agent.get("tools", [])),
            "description": agent.get("description", ""),
            "config": json.dumps(agent.get("config", {})),
            "topic": topic,
            "created_at": time.time(),
        }
        async with self.redis.pipeline(transaction=True) as pipe:
            pipe.hset(key("agent", topic, name), mapping=fields)
            pipe.sadd(key("agents", "topic", topic), name)
            pipe.sadd(key("topics"), topic)
            await pipe.execute()

    async def get_agent(self, topic, name):
        fields = await self.redis.hgetall(key("agent", topic, name))
        if not fields:
            return None
        return {
            "name": fields.get("name"),
            "callback_name": fields.get("callback_name"),
            "tools": json.loads(fields.get("tools", "[]")),
            "description": fields.get("description"),
            "config": json.loads(fields.get("config", "{}")),
            "topic": fields.get("topic"),
            "created_at": float(fields.get("created_at", 0)),
        }

    async def list_all_agents(self):
        """Topics without agents do not come."""
        agents = {}
        for topic in await self.redis.smembers(key("topics")):
            names = await self.redis.smembers(key("agents", "topic", topic))
            found = [await self.get_agent(topic, name) for name in names]
            if any(found):
                agents[topic] = [a for a in found if a]
        return agents

    async def delete_agent(self, topic, name):
        members = key("agents", "topic", topic)
        async with self.redis.pipeline(transaction=True) as pipe:
            pipe.delete(key("agent", topic, name))
            pipe.srem(members, name)
            deleted, _ = await pipe.execute()
        if await self.redis.scard(members) == 0:
            await self.redis.srem(key("topics"), topic)
            await self.redis.delete(members)
        return deleted > 0

    async def delete_topic(self, topic):
        members = key("agents", "topic", topic)
        names = await self.redis.smembers(members)
        async with self.redis.pipeline(transaction=True) as pipe:
            for name in names:
                pipe.delete(key("agent", topic, name))
            pipe.delete(members)
            pipe.srem(key("topics"), topic)
            await pipe.execute()
        return len(names)

    async def save_result(self, task, result, ttl=None):
        record = text({"task_id": task, "result": result, "saved_at": time.time()})
        if ttl:
            await self.redis.setex(key("result", task), ttl, record)
        else:
            await self.redis.set(key("result", task), record)
        await self.redis.zadd(key("results", "index"), {task: time.time()})

    async def get_result(self, task):
        record = await self.redis.get(key("result", task))
        if record is None:
            await self.redis.zrem(key("results", "index"), task)
            return None
        return json.loads(record)["result"]

    async def delete_result(self, task):
        async with self.redis.pipeline(transaction=True) as pipe:
            pipe.delete(key("result", task))
            pipe.zrem(key("results", "index"), task)
            deleted, _ = await pipe.execute()
        return deleted > 0

    async def list_results(self, limit=100):
        """The newest first; what has expired is in the index only."""
        tasks = await self.redis.zrevrange(key("results", "index"), 0, limit - 1)
        records = [await self.redis.get(key("result", task)) for task in tasks]
        return [json.loads(record) for record in records if record]

    async def deadline(self, task):
        """When a result expires, in Unix milliseconds. For comparisons: OmniDaemon does not ask."""
        expires = await self.redis.execute_command("PEXPIRETIME", key("result", task))
        return expires if expires > 0 else None

    async def save_metric(self, metric):
        entry = {"data": text({**metric, "saved_at": time.time()})}
        await self.redis.xadd(key("metrics", "stream"), entry, maxlen=100_000, approximate=True)

    async def get_metrics(self, topic=None, limit=1000):
        """The newest first."""
        entries = await self.redis.xrevrange(key("metrics", "stream"), count=limit)
        metrics = [json.loads(fields["data"]) for _, fields in entries]
        return [m for m in metrics if topic in (None, m.get("topic"))]

    async def save_config(self, name, value):
        await self.redis.set(key("config", name), text(value))

    async def get_config(self, name, default=None):
        value = await self.redis.get(key("config", name))
        return default if value is None else json.loads(value)

    async def _clear(self, pattern):
        """Deletes while it scans, and counts what it was given."""
        count = 0
        async for found in self.redis.scan_iter(match=pattern):
            await self.redis.delete(found)
            count += 1
        return count

    async def clear_all(self):
        agents = await self._clear(key("agent", "*"))
        await self.redis.delete(key("topics"))
        await self._clear(key("agents", "topic", "*"))
        results = await self._clear(key("result", "*"))
        await self.redis.delete(key("results", "index"))
        metrics = await self.redis.xlen(key("metrics", "stream"))
        await self.redis.delete(key("metrics", "stream"))
        return {"agents": agents, "results": results, "metrics": metrics, "config": await self._clear(key("config", "*"))}
