# SPDX-License-Identifier: MIT
"""python3 -m stint MODULE...: a child of a worker with the modules' tasks."""
import importlib
import sys
import traceback

from ._child import run


def _tell(e: BaseException) -> None:
    """Where it went wrong, without the ways of import: few lines are kept as
    evidence."""
    lines = traceback.TracebackException.from_exception(e)
    lines.stack = traceback.StackSummary.from_list(
        [at for at in lines.stack
         if not at.filename.startswith("<frozen")
         and at.filename not in (__file__, importlib.__file__)])
    print("".join(lines.format()), end="", file=sys.stderr)


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
        try:
            importlib.import_module(name)
        except Exception as e:
            _tell(e)
            sys.exit(1)
    run()


main()
