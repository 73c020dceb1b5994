"""Starts local-bigquery, run by its own Python: `python bigquery_emulator.py <its arguments>`.

It looks whether an offset of a stream is free and then appends, and two callers at once may both
find it free. BigQuery takes each offset once, which is what is tested; so one goes after the other
here. It ends with the process that started it, also where that was killed.
"""

import os
import threading
import time
from typing import Any

from local_bigquery import cli
from local_bigquery.grpc import write

_one_at_a_time = threading.Lock()
_append = write._append


def _append_in_turn(*arguments: Any) -> Any:
    with _one_at_a_time:
        return _append(*arguments)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    write._append = _append_in_turn
    cli.main()
