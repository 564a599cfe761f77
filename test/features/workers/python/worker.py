"""A worker as the tests start it: `worker.py URL`; options in the variable OPTIONS as JSON."""

import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "..", "clients", "python"))
sys.dont_write_bytecode = True

from millrace import NonRetryable, RetryAfter, Worker  # noqa: E402

worker = Worker(sys.argv[1], **json.loads(os.environ.get("OPTIONS", "{}")))

ITEM = {"type": "object", "properties": {"do": {"type": "string"}}, "required": ["do"]}


@worker("py.work", item=ITEM, result={"type": "object"}, max_attempts=3, backoff={"firstSeconds": 0})
def work(item, job):
    do = item["do"]
    job.emit(1, "runs")
    if do == "progress":
        job.progress(25, "A quarter")
        while job.stopped is None and not os.path.exists(item["until"]):
            time.sleep(0.02)
    elif do == "never":
        raise NonRetryable("It is no good.")
    elif do == "later":
        raise RetryAfter("Busy.", 0)
    elif do == "once" and job.attempt == 1:
        raise ValueError("Broke.")
    elif do == "pages":
        page = (job.state or {"page": 0})["page"]
        if page < 3:
            return job.continue_later({"page": page + 1})
        return {"pages": page, "attempt": job.attempt}
    elif do == "wrong":
        return 3
    elif do == "no-json":
        return {"a": {1, 2}}
    elif do == "hang":
        print("hanging", flush=True)
        while True:
            job.check()
            time.sleep(0.02)
    return {"attempt": job.attempt, "do": do}


@worker("py.count", max_attempts=3)
def count(item, job):
    time.sleep(item.get("seconds", 0))
    job.emit(item["amount"], "amount")
    return {"amount": item["amount"]}


print("started", flush=True)
worker.run()
print("stopped", flush=True)
