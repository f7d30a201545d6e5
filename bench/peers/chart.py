# SPDX-License-Identifier: MIT
"""The results as an SVG bar chart: three panels on logarithmic scales, as the
peers are up to a thousand times apart. Colours follow the reader's theme."""

import html
import math

import report

WIDTH = 840
LABEL_X = 276      # names end here, bars begin
BAR_WIDTH = 430
ROW = 24
BAR = 15
HEAD = 56          # of the whole chart
PANEL_HEAD = 66
PANEL_FOOT = 18

STYLE = """
text { font: 13px system-ui, -apple-system, "Segoe UI", "Liberation Sans",
       Arial, sans-serif; fill: #1f2328; }
.title { font-size: 17px; font-weight: 600; }
.panel { font-size: 14px; font-weight: 600; }
.small { font-size: 11px; fill: #59636e; }
.back { fill: #ffffff; }
.grid { stroke: #d8dee4; stroke-width: 1; }
.ours { fill: #0969da; }
.peer { fill: #8c959f; }
.most { fill-opacity: 0.4; }
.reference { fill: none; stroke: #8c959f; stroke-width: 1.5;
             stroke-dasharray: 4 3; }
.strong { font-weight: 600; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .small { fill: #9198a1; }
  .back { fill: #0d1117; }
  .grid { stroke: #2f3742; }
  .ours { fill: #4493f8; }
  .peer { fill: #7d8590; }
  .reference { stroke: #9198a1; }
}
"""


def label(x, y, text, kind="", anchor="start"):
    kind = f' class="{kind}"' if kind else ""
    return (f'<text x="{x:g}" y="{y:g}"{kind} text-anchor="{anchor}">'
            f"{html.escape(text)}</text>")


def box(kind, x, y, width, height):
    return (f'<rect class="{kind}" x="{x:g}" y="{y:g}" '
            f'width="{width:.1f}" height="{height:g}" rx="2"/>')


class Scale:
    """Powers of ten around all values."""

    def __init__(self, values):
        self.low = math.floor(math.log10(min(values)) - 0.05)
        self.high = max(math.ceil(math.log10(max(values))), self.low + 1)

    def length(self, value):
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return max(share * BAR_WIDTH, 1)

    def ticks(self):
        for power in range(self.low, self.high + 1):
            value = 10.0 ** power
            yield value, f"{value:,.0f}" if power >= 0 else f"{value:g}"


class Panel:
    """measures: one, or two of which the second one is longer."""

    def __init__(self, title, unit, measures, most_first):
        self.title = title
        self.unit = unit
        self.measures = measures
        self.most_first = most_first

    def rows(self, results):
        """[peer, [value, ...]] of those that were measured, best first."""
        rows = []
        for key, peer in results["peers"].items():
            values = [report.median_of(peer, m) for m in self.measures]
            if all(value is not None and value > 0 for value in values):
                rows.append((key, peer, values))
        return sorted(rows, key=lambda row: row[2][0],
                      reverse=self.most_first)

    def row(self, row, scale, y):
        key, peer, values = row
        kind = ("reference" if peer["reference"] else
                "ours" if key == "stint" else "peer")
        strong = "strong" if kind == "ours" else ""
        lengths = [scale.length(value) for value in values]
        top = y + (ROW - BAR) / 2
        out = [label(LABEL_X - 8, y + 16, report.name_of(peer), strong,
                     "end")]
        for i, length in reversed(list(enumerate(lengths))):
            out.append(box(kind + (" most" if i else ""), LABEL_X, top,
                           length, BAR))
        text = " / ".join(m.form.format(v)
                          for m, v in zip(self.measures, values))
        out.append(label(LABEL_X + max(lengths) + 6, y + 16, text, strong))
        return out

    def draw(self, rows, y):
        """Returns the elements and the height."""
        scale = Scale([value for row in rows for value in row[2]])
        top = y + PANEL_HEAD
        bottom = top + ROW * len(rows)
        out = [label(24, y + 18, self.title, "panel"),
               label(24, y + 35, self.unit, "small")]
        for value, text in scale.ticks():
            x = LABEL_X + (scale.length(value) if value > 10.0 ** scale.low
                           else 0)
            out.append(f'<line class="grid" x1="{x:g}" x2="{x:g}" '
                       f'y1="{top - 4}" y2="{bottom}"/>')
            out.append(label(x, top - 8, text, "small", "middle"))
        for i, row in enumerate(rows):
            out += self.row(row, scale, top + i * ROW)
        return out, PANEL_HEAD + ROW * len(rows) + PANEL_FOOT


PANELS = (
    Panel("Drained by one worker process",
          "tasks a second, logarithmic scale; more is better",
          report.SPEED[1:], True),
    Panel("Queued in bulk by one client",
          "tasks a second, logarithmic scale; more is better",
          report.SPEED[:1], True),
    Panel("Pick-up by an idle worker",
          "milliseconds, median / 99th percentile, logarithmic scale; "
          "less is better", report.LATENCY, False),
)


def svg(results):
    machine = results["machine"]
    rounds = results["rounds"]
    about = (f"{results['date'][:10]} · {machine['cores']} cores, "
             f"{machine['cpu']} · Redis {results['redis']} · "
             + ("one round" if rounds == 1 else f"medians of {rounds} rounds")
             + (" · quick form, not to be quoted" if results["quick"] else ""))
    out = [label(24, 30, "No-op tasks of 100 bytes, side by side on one "
                 "machine", "title"), label(24, 48, about, "small")]
    y = HEAD + 8
    for panel in PANELS:
        rows = panel.rows(results)
        if rows:
            elements, height = panel.draw(rows, y)
            out += elements
            y += height
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" '
        f'height="{y}" viewBox="0 0 {WIDTH} {y}" role="img">',
        "<title>Task queues compared</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="back" width="{WIDTH}" height="{y}"/>',
        *out, "</svg>", ""])
