# SPDX-License-Identifier: MIT
"""Stint, a distributed task queue on Redis: tasks in Python, and a client."""
from ._child import run
from ._client import Client
from ._errors import (Error, NotFound, Refused, StateError, Unreachable,
                      WaitTimeout)
from ._run import Cancelled, NoRetry, Retry, Run, current_run, task

__version__ = "0.1.0"
__all__ = ["Cancelled", "Client", "Error", "NoRetry", "NotFound", "Refused",
           "Retry", "Run", "StateError", "Unreachable", "WaitTimeout",
           "current_run", "run", "task"]
