"""client.py URL: redis-py's own view of the commands that OmniDaemon and its users send.

The server must be empty.
"""

import asyncio
import sys
import threading

import redis
from redis import asyncio as aio
from redis.exceptions import ResponseError


def equal(got, want):
    assert got == want, f"{got!r}, want {want!r}"


def refused(call, error):
    try:
        got = call()
    except ResponseError as e:
        assert str(e).startswith(error), e
    else:
        raise AssertionError(f"{got!r}, want an error")


def strings_and_keys(r):
    equal(r.set("k", "ж", ex=100), True)
    equal(r.set("k", "other", nx=True), None)
    equal(r.set("k", "new", keepttl=True, get=True), "ж")
    equal((r.ttl("k"), r.ttl("none"), r.persist("k"), r.ttl("k")), (100, -2, True, -1))
    equal((r.type("k"), r.exists("k", "k", "none"), r.delete("k", "none")), ("string", 2, 1))
    equal(r.setex("k", 10, "v"), True)
    equal((r.expire("k", 0), r.get("k")), (True, None))


def bytes_are_kept(url):
    r = redis.from_url(url)
    equal(r.set(b"\xff\x00\r\n", bytes(range(256))), True)
    equal(r.get(b"\xff\x00\r\n"), bytes(range(256)))
    equal(r.delete(b"\xff\x00\r\n"), 1)


def hashes_sets_and_sorted_sets(r):
    equal(r.hset("h", mapping={"a": 1, "ж": 2.5, "c": ""}), 3)
    equal(r.hgetall("h"), {"a": "1", "ж": "2.5", "c": ""})
    equal((r.hget("h", "none"), r.hincrby("h", "a", 41), r.hdel("h", "c", "none"), r.hlen("h")), (None, 42, 1, 2))
    refused(lambda: r.hincrby("h", "ж"), "hash value is not an integer")
    refused(lambda: r.get("h"), "WRONGTYPE")
    equal((r.sadd("s", "a", "b", "a"), r.smembers("s"), r.sismember("s", "a"), r.srem("s", "b"), r.scard("s")), (2, {"a", "b"}, True, 1, 1))
    equal(r.zadd("z", {"a": 1763859213.123456, "b": 1763859214, "c": float("-inf")}), 3)
    equal(r.zrevrange("z", 0, 1), ["b", "a"])
    equal(r.zrange("z", 0, -1, withscores=True), [("c", float("-inf")), ("a", 1763859213.123456), ("b", 1763859214.0)])
    equal((r.zscore("z", "a"), r.zscore("z", "none"), r.zrem("z", "c"), r.zcard("z")), (1763859213.123456, None, 1, 2))
    equal(r.delete("h", "s", "z"), 3)


def streams_and_groups(r):
    for n in range(1, 6):
        equal(r.xadd("x", {"n": n, "ж": "ж"}, id=f"{n}-0", maxlen=100), f"{n}-0")
    refused(lambda: r.xadd("x", {"n": 0}, id="5-0"), "The ID specified in XADD is equal or smaller")
    equal((r.xlen("x"), r.xrevrange("x", count=1)), (5, [("5-0", {"n": "5", "ж": "ж"})]))
    equal(r.xgroup_create("x", "g", "0"), True)
    refused(lambda: r.xgroup_create("x", "g", "0"), "BUSYGROUP")
    refused(lambda: r.xreadgroup("other", "c", {"x": ">"}), "NOGROUP")
    [[_, entries]] = r.xreadgroup("g", "c", {"x": ">"}, count=3)
    equal([id for id, _ in entries], ["1-0", "2-0", "3-0"])
    equal(r.xpending("x", "g"), {"pending": 3, "min": "1-0", "max": "3-0", "consumers": [{"name": "c", "pending": 3}]})
    equal(r.xclaim("x", "g", "d", 0, ["1-0"]), [("1-0", {"n": "1", "ж": "ж"})])
    equal([(p["message_id"], p["consumer"], p["times_delivered"]) for p in r.xpending_range("x", "g", "-", "+", 10)],
          [("1-0", "d", 2), ("2-0", "c", 1), ("3-0", "c", 1)])
    equal((r.xack("x", "g", "1-0", "2-0", "9-0"), r.xdel("x", "4-0"), r.xtrim("x", maxlen=2, approximate=False)), (2, 1, 2))
    [group] = r.xinfo_groups("x")
    equal((group["name"], group["consumers"], group["pending"], group["last-delivered-id"]), ("g", 2, 1, "3-0"))
    info = r.xinfo_stream("x")
    equal((info["length"], info["first-entry"][0], info["last-generated-id"], info["groups"]), (2, "3-0", "5-0", 1))
    equal(r.xreadgroup("g", "c", {"x": ">"}, block=10), [["x", [("5-0", {"n": "5", "ж": "ж"})]]])
    equal((r.xreadgroup("g", "c", {"x": ">"}, block=10), r.xgroup_destroy("x", "g"), r.delete("x")), ([], True, 1))


def pipelines_and_transactions(r):
    with r.pipeline(transaction=False) as pipe:
        for n in range(2000):
            pipe.set(f"key:{n}", n)
            pipe.get(f"key:{n}")
        equal(pipe.execute()[1::2], [str(n) for n in range(2000)])
    equal(sorted(r.scan_iter(match="key:*", count=7)), sorted(f"key:{n}" for n in range(2000)))
    with r.pipeline() as pipe:
        set_, wrong, got = pipe.set("k", "v").hset("k", "f", 1).get("k").execute(raise_on_error=False)
        equal((set_, type(wrong), got), (True, ResponseError, "v"))
    with r.pipeline() as pipe:
        pipe.watch("k")
        r.set("k", "another's")
        pipe.multi()
        pipe.set("k", "mine")
        try:
            raise AssertionError(f"{pipe.execute()!r}, want a WatchError")
        except redis.WatchError:
            equal(r.get("k"), "another's")
    equal((r.dbsize(), r.flushdb(), r.dbsize()), (2001, True, 0))


def connections(r, url):
    named = redis.from_url(url, db=3, client_name="me", health_check_interval=1)
    equal((named.client_getname(), named.set("k", "db 3"), r.get("k"), named.dbsize()), ("me", True, None, 1))
    equal([c["db"] for c in r.client_list() if c["name"] == "me"], ["3"])
    equal(named.flushall(), True)
    refused(lambda: r.execute_command("NOSUCH", "a"), "unknown command 'NOSUCH', with args beginning with: 'a'")
    refused(lambda: r.execute_command("CLIENT", "SETINFO", "LIB-NAME", "redis-py"), "unknown subcommand")
    equal(r.ping(), True)
    info = r.info()
    equal((info["redis_version"][:4], info["role"], info["loading"], info["cluster_enabled"]), ("7.0.", "master", 0, 0))
    equal(r.config_get("appendonly"), {"appendonly": "yes"})


def monitor(r, url):
    with redis.from_url(url).monitor() as m:
        threading.Thread(target=lambda: r.get("watched")).start()
        equal(next(m.listen())["command"], "GET watched")


async def blocking_holds_up_nobody(url):
    r = aio.from_url(url, decode_responses=True)
    await r.xgroup_create("x", "g", "$", mkstream=True)

    async def one(consumer):
        [[_, [(_, fields)]]] = await r.xreadgroup("g", consumer, {"x": ">"}, count=1, block=20_000)
        return int(fields["n"])

    readers = [asyncio.create_task(one(f"c{n}")) for n in range(5)]
    while (await r.info("clients"))["blocked_clients"] < 5:
        await asyncio.sleep(0.01)
    await asyncio.gather(*(r.xadd("x", {"n": n}) for n in range(5)))
    equal(sorted(await asyncio.gather(*readers)), [0, 1, 2, 3, 4])

    waiting = asyncio.create_task(r.xread({"other": "$"}, block=20_000))
    await asyncio.sleep(0.05)
    waiting.cancel()  # the connection is cut; the next call has another
    equal(await r.xlen("x"), 5)
    await r.close()


def main(url):
    r = redis.from_url(url, decode_responses=True)
    strings_and_keys(r)
    bytes_are_kept(url)
    hashes_sets_and_sorted_sets(r)
    streams_and_groups(r)
    pipelines_and_transactions(r)
    connections(r, url)
    monitor(r, url)
    asyncio.run(blocking_holds_up_nobody(url))


main(*sys.argv[1:])
