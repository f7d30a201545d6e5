# SPDX-License-Identifier: MIT
"""What is installed works by itself: with the functions it loads."""
import os
import subprocess
import sys
import unittest

from test_client import PROGRAM, Server


class Package(unittest.TestCase):
    def test_it_brings_the_functions(self):
        server = Server()
        self.addCleanup(server.close)
        prefix = os.path.join(server.dir.name, "prefix")
        subprocess.run(["cmake", "--install", os.path.dirname(PROGRAM),
                        "--prefix", prefix], check=True,
                       stdout=subprocess.DEVNULL)
        package = os.path.join(prefix, "share", "stint", "python")
        with open(os.path.join(package, "pyproject.toml")) as f:
            self.assertIn('name = "stint"', f.read())
        self.assertTrue(os.path.exists(
            os.path.join(package, "stint", "py.typed")))
        env = {k: v for k, v in os.environ.items() if k != "STINT_LIBRARY"}
        env.update(PYTHONPATH=package, STINT_URL=server.url)
        got = subprocess.run(
            [sys.executable, "-c", "import stint; print(stint.__file__, stint."
             "Client().queue_task('f', id='a'))"], env=env, cwd="/",
            capture_output=True, text=True)
        self.assertEqual(got.stdout, "%s/stint/__init__.py a\n" % package,
                         got.stderr)
        self.assertIn('"QUEUED"', server.stint("task-status", "a", "--json"))


if __name__ == "__main__":
    unittest.main()
