#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Is standard input OpenMetrics 1.0? By the rules that matter for ours: one HELP
and TYPE a family and all its samples behind them, names that fit the type,
labels quoted and each series once, histograms that grow up to +Inf and agree
with _count, # EOF last. Where Debian's python3-prometheus-client is there, its
parser has to read it, too. Exit 1: it is not, and why."""
import re
import sys

LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\\n]|\\[\\"n])*)"(,|$)')
SAMPLE = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? "
                    r"([-+]?(?:Inf|NaN|\d+(?:\.\d+)?(?:e[-+]?\d+)?))$")
SUFFIXES = {"gauge": [""], "counter": ["_total", "_created"],
            "info": ["_info"],
            "histogram": ["_bucket", "_sum", "_count", "_created"]}


def fail(n, line, why):
    sys.exit(f"line {n}: {why}: {line[:200]}")


def labels_of(n, line, text):
    labels, at = {}, 0
    while text and at < len(text):
        m = LABEL.match(text, at)
        if not m or m.group(1) in labels:
            fail(n, line, "labels")
        labels[m.group(1)] = m.group(2)
        at = m.end()
    return labels


def histogram(n, line, parts):
    buckets, count = parts.get("buckets", []), parts.get("count")
    if not buckets or buckets[-1][0] != float("inf"):
        fail(n, line, "no bucket +Inf")
    for (le, a), (more, b) in zip(buckets, buckets[1:]):
        if le >= more or a > b:
            fail(n, line, "buckets do not grow")
    if count != buckets[-1][1] or "sum" not in parts:
        fail(n, line, "count, sum and buckets do not agree")


def check(text):
    lines = text.split("\n")
    if text[-1:] != "\n" or lines[-2] != "# EOF":
        sys.exit("no # EOF at the end")
    families, kind, series, hist = set(), {}, set(), {}
    family = None
    n = 0
    for n, line in enumerate(lines[:-2], 1):
        if line.startswith("# HELP "):
            family = line.split(" ")[2]
            if family in families:
                fail(n, line, "a family twice")
            families.add(family)
        elif line.startswith("# TYPE "):
            _, _, name, what = line.split(" ")
            if name != family or what not in SUFFIXES:
                fail(n, line, "type")
            kind[name] = what
        else:
            m = SAMPLE.match(line)
            if not m or family not in kind:
                fail(n, line, "no sample")
            suffix = m.group(1)[len(family):]
            if not m.group(1).startswith(family) or \
                    suffix not in SUFFIXES[kind[family]]:
                fail(n, line, f"not of {family}")
            labels = labels_of(n, line, m.group(2))
            one = (m.group(1), tuple(sorted(labels.items())))
            if one in series:
                fail(n, line, "a series twice")
            series.add(one)
            value = float(m.group(3))
            if kind[family] != "gauge" and value < 0:
                fail(n, line, "below 0")
            if kind[family] == "histogram":
                le = labels.pop("le", None)
                h = hist.setdefault((family, tuple(sorted(labels.items()))),
                                    {})
                if suffix == "_bucket":
                    if not re.fullmatch(r"\+Inf|\d+\.\d+", le or ""):
                        fail(n, line, "le")
                    h.setdefault("buckets", []).append((float(le), value))
                else:
                    h[suffix[1:]] = value
    for (name, _), parts in hist.items():
        histogram(n, name, parts)
    return len(series)


def main():
    text = sys.stdin.read()
    n = check(text)
    try:
        from prometheus_client.openmetrics import parser
    except ImportError:
        print(f"{n} series; python3-prometheus-client is not here")
        return
    families = list(parser.text_string_to_metric_families(text))
    print(f"{n} series in {len(families)} families, also by prometheus_client")


main()
