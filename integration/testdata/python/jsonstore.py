"""What OmniDaemon's JSON store does with its directory.

It reads the four files once, answers from memory, and rewrites a whole file at
each change: to NAME.tmp first, which then takes the file's place. It does not
look at the files again.
"""

import json
import os
import time
from decimal import Decimal
from pathlib import Path

KEPT_METRICS = 10_000  # older ones are dropped
METRICS_PER_WRITE = 100  # metrics.json is not rewritten for each


class JSONStore:
    def __init__(self, directory):
        self.directory = Path(directory)
        self.directory.mkdir(exist_ok=True)
        self.agents = self._load("agents", {})
        self.results = self._load("results", {})
        self.metrics = self._load("metrics", [])
        self.config = self._load("config", {})
        self.unwritten = 0

    def _load(self, name, empty):
        try:
            with open(self.directory / f"{name}.json", encoding="utf-8") as file:
                return json.load(file)
        except FileNotFoundError:
            return empty

    def _save(self, name):
        part = self.directory / f"{name}.tmp"
        with open(part, "w", encoding="utf-8") as file:
            json.dump(getattr(self, name), file, indent=2, default=str)
        os.replace(part, self.directory / f"{name}.json")

    async def close(self):
        for name in ("agents", "results", "metrics", "config"):
            self._save(name)

    async def add_agent(self, topic, agent):
        """Keeps the dict as it was given. One of the same name makes room."""
        others = [a for a in self.agents.get(topic, []) if a.get("name") != agent["name"]]
        self.agents[topic] = others + [agent]
        self._save("agents")

    async def get_agent(self, topic, name):
        for agent in self.agents.get(topic, []):
            if agent.get("name") == name:
                return agent
        return None

    async def list_all_agents(self):
        return self.agents

    async def delete_agent(self, topic, name):
        left = [a for a in self.agents.get(topic, []) if a.get("name") != name]
        found = len(left) < len(self.agents.get(topic, []))
        if left:
            self.agents[topic] = left
        else:
            self.agents.pop(topic, None)
        self._save("agents")
        return found

    async def delete_topic(self, topic):
        gone = self.agents.pop(topic, [])
        self._save("agents")
        return len(gone)

    async def save_result(self, task, result, ttl=None):
        now = time.time()
        self.results[task] = {"task_id": task, "result": result, "saved_at": now}
        if ttl:
            self.results[task]["expires_at"] = now + ttl
        self._save("results")

    async def get_result(self, task):
        """An expired result goes when it is asked for."""
        record = self.results.get(task)
        if record is None:
            return None
        if record.get("expires_at") and time.time() > record["expires_at"]:
            await self.delete_result(task)
            return None
        return record["result"]

    async def delete_result(self, task):
        found = self.results.pop(task, None) is not None
        self._save("results")
        return found

    async def list_results(self, limit=100):
        """The newest first."""
        return sorted(self.results.values(), key=lambda r: r.get("saved_at", 0), reverse=True)[:limit]

    async def deadline(self, task):
        """When a result expires, in Unix milliseconds. For comparisons: OmniDaemon does not ask."""
        expires = self.results[task].get("expires_at")
        return int(Decimal(repr(expires)) * 1000) if expires else None

    async def save_metric(self, metric):
        self.metrics.append({**metric, "saved_at": time.time()})
        del self.metrics[:-KEPT_METRICS]
        self.unwritten += 1
        if self.unwritten == METRICS_PER_WRITE:
            self.unwritten = 0
            self._save("metrics")

    async def get_metrics(self, topic=None, limit=1000):
        """The newest first."""
        wanted = [m for m in self.metrics if topic in (None, m.get("topic"))]
        return wanted[-limit:][::-1]

    async def save_config(self, key, value):
        self.config[key] = value
        self._save("config")

    async def get_config(self, key, default=None):
        return self.config.get(key, default)
