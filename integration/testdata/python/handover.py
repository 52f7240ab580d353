"""handover.py URL: clients that try nothing again, until standard input is closed.

Prints how many commands were acknowledged, and each that failed.
"""

import sys
import threading

import redis

failed, acknowledged = [], []
over = threading.Event()


def work(url, n, **options):
    r = redis.Redis.from_url(url, decode_responses=True, retry_on_timeout=False, **options)
    done = 0
    while not over.is_set():
        try:
            done += 1
            wanted = [done, True, str(done), [done, str(done)]]
            with r.pipeline(transaction=True) as p:
                got = [r.incr(f"py:counter:{n}"), r.set(f"py:value:{n}", done), r.get(f"py:value:{n}")]
                got.append(p.incr(f"py:transactions:{n}").get(f"py:value:{n}").execute())
            if got != wanted:
                failed.append(f"{got} in place of {wanted}")
        except Exception as e:
            failed.append(repr(e))
    acknowledged.append(4 * done)


def main(url):
    workers = [threading.Thread(target=work, args=(url, n), kwargs=options) for n, options in
               enumerate([{}, {"db": 3, "client_name": "named"}, {"health_check_interval": 1}])]
    for w in workers:
        w.start()
    sys.stdin.read()
    over.set()
    for w in workers:
        w.join()
    print(sum(acknowledged))
    for f in failed:
        print(f)


main(*sys.argv[1:])
