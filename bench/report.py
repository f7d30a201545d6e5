# SPDX-License-Identifier: MIT
"""The markdown tables of bench/scale, and the slow scripts of each case."""
import sys

SLOW_US = 5000  # a script slower than this is named


class Report:
    """The tables; the slow scripts of a case are gathered meanwhile."""

    def __init__(self):
        self.cases = []

    def begin(self, name, title):
        self.case = {'case': name, 'title': title, 'notes': [], 'rows': [],
                     'slow': []}
        self.cases.append(self.case)
        self.slow = {}
        print('\n### %s: %s\n' % (name, title), flush=True)

    def note(self, text):
        self.case['notes'].append(text)

    def saw(self, server):
        """Keeps the scripts over 5 ms; returns the slowest of all: us, name."""
        entries = server.slow()
        for us, name, n in entries:
            if us >= SLOW_US:
                times, most, size = self.slow.get(name, (0, 0, 0))
                if us > most:
                    most, size = us, n
                self.slow[name] = (times + 1, most, size)
        server.forget()
        return entries[0][:2] if entries else (0, '')

    def table(self, columns, rows):
        self.case['rows'] += [dict(zip(columns, row)) for row in rows]
        print('| ' + ' | '.join(columns) + ' |')
        print('|---|' + '--:|' * (len(columns) - 1))
        for row in rows:
            print('| ' + ' | '.join(shown(cell) for cell in row) + ' |')
        print(flush=True)

    def end(self):
        for text in self.case['notes']:
            print('- ' + text)
        for name, (times, most, n) in sorted(self.slow.items()):
            self.case['slow'].append({'script': name, 'times': times,
                                      'slowest_us': most, 'arguments': n})
            print('- over 5 ms: %s, %d times, the slowest %.1f ms (%d '
                  'arguments)' % (name, times, most / 1000, n))
        if not self.slow:
            print('- no script took over 5 ms')
        sys.stdout.flush()


def shown(cell):
    if isinstance(cell, tuple):  # the slowest script
        return '%s %.1f ms' % (cell[1], cell[0] / 1000) if cell[0] else '< 1 ms'
    if isinstance(cell, float):
        return '%.2f' % cell if abs(cell) < 100 else '{:,.0f}'.format(cell)
    return '{:,}'.format(cell) if isinstance(cell, int) else str(cell)
