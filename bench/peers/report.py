# SPDX-License-Identifier: MIT
"""The results as text: a table for the terminal, tables in markdown, JSON.
`results` is what bench/compare has gathered; results_new says what is in it."""

import datetime
import json
import os
import platform
import statistics
from collections import namedtuple

# name: in the values of a turn. form: of a number.
Measure = namedtuple("Measure", "name title short form")

SPEED = (
    Measure("queue_per_s", "queue in bulk, tasks/s", "queue/s", "{:,.0f}"),
    Measure("drain_per_s", "drain, one worker process, tasks/s", "drain/s",
            "{:,.0f}"),
)
COSTS = (
    Measure("queue_server_cpu_us", "server CPU to queue, µs/task", "queue µs",
            "{:,.1f}"),
    Measure("drain_server_cpu_us", "server CPU to drain, µs/task", "drain µs",
            "{:,.1f}"),
    Measure("worker_cpu_us", "worker CPU to drain, µs/task", "worker µs",
            "{:,.1f}"),
    Measure("bytes_per_task", "bytes in Redis per queued task", "bytes",
            "{:,.0f}"),
)
LATENCY = (
    Measure("latency_p50_ms", "p50, ms", "p50 ms", "{:,.2f}"),
    Measure("latency_p99_ms", "p99, ms", "p99 ms", "{:,.2f}"),
)
ALL = SPEED + COSTS + LATENCY


def cpu_model():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.machine()


def system_name():
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.system()


def results_new(rounds, quick, redis_version):
    now = datetime.datetime.now(datetime.timezone.utc)
    return {
        "date": now.isoformat(timespec="seconds"),
        "machine": {"cores": len(os.sched_getaffinity(0)),
                    "cpu": cpu_model(), "system": system_name(),
                    "kernel": platform.release()},
        "redis": redis_version,
        "rounds": rounds,      # asked for
        "quick": quick,        # small counts, for trying out
        "peers": {},           # key: title, version, settings, values, ...
        "left_out": {},        # title: reason
    }


def values_of(peer, measure):
    return [turn[measure.name] for turn in peer["values"]
            if measure.name in turn]


def median_of(peer, measure):
    """Of all rounds; None: not measured."""
    values = values_of(peer, measure)
    return statistics.median(values) if values else None


def cell(peer, measure, spread):
    values = values_of(peer, measure)
    if not values:
        return "–"
    text = measure.form.format(statistics.median(values))
    if spread and len(values) > 1:
        least, most = (measure.form.format(v)
                       for v in (min(values), max(values)))
        text += f" ({least}–{most})"
    return text


def name_of(peer):
    words = (peer["title"], peer["version"], peer["remark"])
    return " ".join(word for word in words if word)


def conditions(results):
    machine = results["machine"]
    rounds = results["rounds"]
    times = "one round" if rounds == 1 else f"{rounds} rounds"
    return (f"{results['date'][:10]}, {machine['cores']} cores "
            f"({machine['cpu']}), {machine['system']}, Linux "
            f"{machine['kernel']}, Redis {results['redis']} without "
            f"persistence, {times} in turns"
            + (", quick form: too few tasks to quote"
               if results["quick"] else ""))


def schedule(results):
    peer = next(iter(results["peers"].values()))
    return (f"{peer['rate']:g} sends a second for {peer['seconds']:g} s on a "
            "fixed schedule to one idle worker, from when a send was due to "
            "when the task's code began")


# ---- The terminal ------------------------------------------------------------

def text(results):
    peers = list(results["peers"].values())
    lines = [conditions(results), ""]
    if peers:
        width = max(len(name_of(peer)) for peer in peers)
        lines.append(" " * width
                     + "".join(f"{m.short:>11}" for m in ALL))
        for peer in peers:
            lines.append(name_of(peer).ljust(width) + "".join(
                f"{cell(peer, m, False):>11}" for m in ALL))
        lines += ["", "medians; CPU of the server and the worker per task; "
                  "p50 and p99: pick-up by an idle worker"]
    lines += [f"{key}: {note}" for key, note in notes(results)]
    return "\n".join(lines)


def notes(results):
    for peer in results["peers"].values():
        for note in peer["notes"]:
            yield peer["title"], note
    for title, reason in results["left_out"].items():
        yield title, f"left out: {reason}"


# ---- Markdown ----------------------------------------------------------------

def markdown_table(results, measures):
    rows = ["| | " + " | ".join(m.title for m in measures) + " |",
            "|---|" + "--:|" * len(measures)]
    for peer in results["peers"].values():
        if any(values_of(peer, m) for m in measures):
            rows.append(f"| {name_of(peer)} | " + " | ".join(
                cell(peer, m, True) for m in measures) + " |")
    return rows


def markdown(results):
    lines = [conditions(results) + ".", "",
             "No-op tasks with 100 bytes of arguments. Medians "
             "(least–most)."]
    if results["peers"]:
        lines += ["", "Throughput, and what it costs:", "",
                  *markdown_table(results, SPEED), "",
                  *markdown_table(results, COSTS), "",
                  f"Pick-up latency: {schedule(results)}.", "",
                  *markdown_table(results, LATENCY), "",
                  "| | settings | tasks queued, drained |", "|---|---|--:|"]
    for peer in results["peers"].values():
        lines.append(f"| {name_of(peer)} | {peer['settings']} | "
                     f"{peer['tasks'][0]:,}, {peer['tasks'][1]:,} |")
    more = [f"- {key}: {note}" for key, note in notes(results)]
    return "\n".join(lines + ([""] + more if more else [])) + "\n"


def to_json(results):
    return json.dumps(results, indent=1, ensure_ascii=False) + "\n"
