# SPDX-License-Identifier: MIT
"""The README's examples, with the stint program's worker: end to end."""
import os
import re
import subprocess
import sys
import unittest

from test_child import Driver
from test_client import PROGRAM, Server

README = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..",
                      "README.md")


def blocks():
    """By the names of their files."""
    with open(README, encoding="utf-8") as f:
        found = re.findall(r"<!-- (?:file: (\S+)|run) -->\n```\w+\n(.*?)```",
                           f.read(), re.S)
    return {name or "app.py": text for name, text in found}


class Readme(unittest.TestCase):
    def test_its_tasks(self):
        d = Driver(files={"tasks.py": blocks()["tasks.py"]})
        self.addCleanup(d.close)
        self.assertEqual(d.get()["functions"],
                         ["add", "fetch.page", "slow", "gentle"])
        self.assertEqual(d.ask("add", 20, 1, times=2)["result"], 42)
        self.assertEqual(d.ask("gentle", 7)["result"], 7)
        self.assertEqual(d.ask("fetch.page", "http://x")["retry"], "never")
        self.assertEqual(d.ask("fetch.page", "https://x")["retry"], 0.1)

    def test_its_examples_run(self):
        server = Server()
        self.addCleanup(server.close)
        at = server.dir.name
        self.assertEqual(set(blocks()), {"tasks.py", "worker.json", "app.py"})
        for name, text in blocks().items():
            with open(os.path.join(at, name), "w") as f:
                f.write(text)
        env = dict(os.environ, STINT_URL=server.url)
        log = open(os.path.join(at, "log"), "w+")
        self.addCleanup(log.close)
        worker = subprocess.Popen(
            [PROGRAM, "worker", "--config", "worker.json"], cwd=at, env=env,
            stderr=log)
        self.addCleanup(worker.wait)
        self.addCleanup(worker.kill)
        try:
            worker.wait(0.5)
            log.seek(0)
            self.fail(log.read())
        except subprocess.TimeoutExpired:
            pass  # it is at work
        got = subprocess.run([sys.executable, "app.py"], cwd=at, env=env,
                             capture_output=True, text=True, timeout=55)
        if got.returncode:
            log.seek(0)
            self.fail(got.stderr + log.read()[-2000:])


if __name__ == "__main__":
    unittest.main()
