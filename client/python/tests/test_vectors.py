# SPDX-License-Identifier: MIT
"""The vectors that all clients share (tests/vectors)."""
import json
import os
import unittest

from stint import _cron, _text
from stint._errors import Refused
from stint._task import Task, task_from_json

VECTORS = os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "tests",
    "vectors")


def load(name):
    with open(os.path.join(VECTORS, name), encoding="utf-8") as f:
        return json.load(f)


class Vectors(unittest.TestCase):
    def task(self, v):
        if "json" in v:
            return task_from_json(v["json"])
        return Task(v["task"])

    def compare_errors(self, v, got):
        self.assertEqual(set(got), set(v["errors"]))
        for field, text in v["errors"].items():
            if text.endswith("…"):
                self.assertEqual(got[field][:len(text) - 1], text[:-1])
            else:
                self.assertEqual(got[field], text)

    def test_tasks_become_the_arguments_of_queue_task(self):
        vectors = load("queue_task.json")
        self.assertGreater(len(vectors), 80)
        for v in vectors:
            with self.subTest(v["name"]):
                if "errors" in v:
                    with self.assertRaises(Refused) as caught:
                        self.task(v)
                    self.compare_errors(v, caught.exception.errors)
                    continue
                t = self.task(v)
                if "now_ms" in v:
                    t.cron_start(v["now_ms"])
                got = [t.id, t.function, t.start, t.stop, t.rules,
                       t.text.decode("utf-8")]
                if v["args"][0] is None:
                    self.assertRegex(got[0], r"\A[0-7][0-9a-hjkmnp-tv-z]{25}\Z")
                    got[0] = None
                self.assertEqual(got, v["args"])
                self.assertEqual(t.group, v["group"])

    def test_ids_say_their_part(self):
        for v in load("parts.json"):
            with self.subTest(id=v["id"], parts=v["parts"]):
                part = _text.part_of_id(v["id"], v["parts"])
                self.assertEqual(_text.part_slot(v["id"]), v["slot"])
                self.assertEqual(part, v["part"])
                self.assertEqual(_text.part_name(v["group"], part), v["name"])

    def test_times_are_read_and_written(self):
        for v in load("times.json"):
            with self.subTest(v.get("text", v.get("written"))):
                if "written" in v:
                    self.assertEqual(_text.time_write(v["ms"]), v["written"])
                elif "error" in v:
                    self.assertIsNone(_text.time_read(v["text"]))
                else:
                    self.assertEqual(_text.time_read(v["text"]),
                                     (v["ms"], v["relative"]))

    def test_cronlines_have_their_next_times(self):
        for v in load("cron.json"):
            with self.subTest(v["expression"], zone=v.get("timezone")):
                if "error" in v:
                    with self.assertRaises(_cron.CronError) as caught:
                        _cron.Cron(v["expression"])
                    self.assertEqual(str(caught.exception), v["error"])
                    continue
                cron = _cron.Cron(v["expression"])
                zone = _cron.zone_open(v["timezone"])
                at, got = _text.time_read(v["from"])[0], []
                for _ in v["next"]:
                    at = cron.next_ms(zone, at)
                    got.append(_text.time_write(at))
                self.assertEqual(got, v["next"])

    def test_ids_sort_by_time_and_differ(self):
        ids = [_text.id_make() for _ in range(1000)]
        self.assertEqual(len(set(ids)), 1000)
        self.assertLessEqual(ids[0][:9], ids[-1][:9])

    def test_too_big(self):
        most = 1024 * 1024 - 128 - 16
        room = most - len('{"args":[""]}')
        Task({"function": "f", "args": ["x" * room]})
        with self.assertRaises(Refused) as caught:
            Task({"function": "f", "args": ["x" * (room + 1)]})
        self.assertEqual(
            caught.exception.errors,
            {"args": "too big: with vars more than 1048432 bytes"})

    def test_what_python_has_and_json_has_not(self):
        for value, text in (({1}, "holds a set, which JSON cannot"),
                            (float("nan"), "holds a number that is not finite"),
                            (2**63, "holds an integer of more than 64 bits"),
                            ("\ud800", "holds text that is not Unicode"),
                            ("\0", "holds text with a NUL"),
                            (b"x", "holds a bytes, which JSON cannot"),
                            ({1: 2}, "holds a key that is no text: 1")):
            with self.subTest(value):
                with self.assertRaises(Refused) as caught:
                    Task({"function": "f", "args": [value]})
                self.assertEqual(caught.exception.errors, {"args": text})
        self.assertEqual(Task({"function": "f", "args": (1, (2,))}).text,
                         b'f {"args":[1,[2]]}')


if __name__ == "__main__":
    unittest.main()
