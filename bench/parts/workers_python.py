"""A worker of the benchmark `workers`: no-op jobs, 50 a claim."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "clients", "python"))

from millrace import Worker  # noqa: E402

worker = Worker(sys.argv[1], concurrency=1, batch=50)


@worker("no-op")
def no_op(item, job):
    return None


print("ready", flush=True)
worker.run()
