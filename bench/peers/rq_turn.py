# SPDX-License-Identifier: MIT
"""RQ, with its worker that runs jobs in its own process; the usual one forks
for each job."""

import logging

import redis
import rq

import python_turn as turn

CHUNK = 500
HANDLER = "python_turn.handle"
JOB = {"result_ttl": 0, "failure_ttl": 0}


def work(queue):
    logging.disable(logging.CRITICAL)
    worker = rq.SimpleWorker([queue], connection=queue.connection)
    turn.go()
    worker.work(max_jobs=turn.tasks, logging_level="CRITICAL")


def queue_some(queue, n):
    queue.enqueue_many([
        rq.Queue.prepare_data(HANDLER, (turn.payload(),), **JOB)
        for _ in range(n)])


def main():
    queue = rq.Queue("bench",
                     connection=redis.Redis(unix_socket_path=turn.address))
    if turn.what == "queue":
        turn.queue_all(CHUNK, lambda n: queue_some(queue, n))
    elif turn.what == "send":
        turn.send_all(lambda text: queue.enqueue(HANDLER, text, **JOB))
    else:
        work(queue)


main()
