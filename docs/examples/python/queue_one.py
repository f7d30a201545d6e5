# SPDX-License-Identifier: MIT
"""Queues a task, waits for it and prints its result: queue_one.py FILE"""
import sys

import stint

client = stint.Client()  # $STINT_URL
id = client.queue_task("most_common", [sys.argv[1]], {"n": 2}, timeout=10)
status = client.wait(id, timeout=30)[id]
print(status, client.task_status(id, output=True)["result"])
sys.exit(status != "COMPLETED")
