# SPDX-License-Identifier: MIT
"""Tasks in Python: `stint worker --config worker.json` runs them."""
import collections

import stint
from stint import task


@task
def most_common(path, n=3):
    """The n most common words of a file."""
    run = stint.current_run()
    try:
        with open(path, encoding="utf-8") as f:
            run.progress(0, "reading")
            words = collections.Counter(f.read().split())
    except FileNotFoundError as why:
        raise stint.NoRetry(str(why))
    print(f"{sum(words.values())} words in {path}")
    return words.most_common(n)
