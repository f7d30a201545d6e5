# SPDX-License-Identifier: MIT
"""Celery on Redis. It has no call for many tasks; what is sent shares one
connection and one producer."""

import os
import signal
import threading

import celery
from celery.signals import worker_ready

import python_turn as turn

END_S = 0.3  # the last task is to be acknowledged first

app = celery.Celery("bench", broker=f"redis+socket://{turn.address}")
app.conf.update(
    task_ignore_result=True,
    task_acks_late=True,  # acknowledged after the handler, as the others
    task_default_queue="bench",
    worker_prefetch_multiplier=0,
    worker_send_task_events=False,
    worker_enable_remote_control=False,
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
    broker_pool_limit=1,
)


@app.task(name="noop", ignore_result=True)
def noop(text):
    if turn.count.take(text):
        end = threading.Timer(END_S, os.kill, (os.getpid(), signal.SIGTERM))
        end.start()


@worker_ready.connect
def on_ready(**_):
    turn.go()


def main():
    if turn.what in ("work", "listen"):
        worker = app.Worker(
            pool="solo", concurrency=1, loglevel="ERROR", quiet=True,
            without_gossip=True, without_mingle=True, without_heartbeat=True)
        worker.start()
        return
    with app.producer_pool.acquire(block=True) as producer:
        def send(text):
            noop.apply_async((text,), producer=producer)
        if turn.what == "send":
            turn.send_all(send)
        else:
            turn.queue_all(
                1000, lambda n: [send(turn.payload()) for _ in range(n)])


main()
