# SPDX-License-Identifier: MIT
"""python3 -m stint MODULE...: a child of a worker with the modules' tasks."""
import importlib
import sys

from ._child import run


def main() -> None:
    modules = sys.argv[1:]
    if not modules or any(m.startswith("-") for m in modules):
        print("usage: python3 -m stint MODULE...\n\n"
              "Runs the modules' @task functions for the worker that starts it:"
              '\n    "resize": {"child": ["python3", "-m", "stint", "tasks"]}',
              file=sys.stderr)
        sys.exit(2)
    for name in modules:
        if name.endswith(".py") or "/" in name:
            print("stint: %s: the name of a module is wanted, as for import"
                  % name, file=sys.stderr)
            sys.exit(2)
        importlib.import_module(name)
    run()


main()
