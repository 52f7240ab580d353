"""storm.py DIRECTORY: an OmniDaemon process with the JSON store, from its start to its end.

It loads its cache and says "ready"; saves results and metrics until its standard input ends; then it is closed, which
writes all four files from the cache. It prints the numbers of the last result and metric.
"""

import asyncio
import select
import sys

from jsonstore import JSONStore


async def main(directory):
    store = JSONStore(directory)
    print("ready", flush=True)
    n = 0
    while not select.select([sys.stdin], [], [], 0.05)[0]:
        n += 1
        await store.save_result(f"store:{n}", {"n": n})
        for k in range(20):
            await store.save_metric({"writer": "store", "n": (n - 1) * 20 + k})
    await store.close()
    print(n, flush=True)


asyncio.run(main(*sys.argv[1:]))
