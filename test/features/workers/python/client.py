"""The client for batches as the tests use it: `client.py URL`. Prints JSON of what it saw."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "..", "clients", "python"))
sys.dont_write_bytecode = True

from millrace import Client, MillraceError  # noqa: E402

client = Client(sys.argv[1])
items = [{"do": do} for do in ("work", "never", "once", "pages", "later", "wrong", "no-json")]
batch = client.create("py.work", items, options={"labels": ["python"]}, key="from-python")
again = client.create("py.work", items, options={"labels": ["python"]}, key="from-python")
events = [event["type"] for event in client.follow(batch["batchId"]) if event["type"] != "job_progress"]
refused = None
try:
    client.create("py.work", [{"do": 3}])
except MillraceError as error:
    refused = {"status": error.status, "field": error.field}
print(
    json.dumps(
        {
            "same": again["batchId"] == batch["batchId"] and again["created"] is False,
            "events": events,
            "status": client.status(batch["batchId"]),
            "items": list(client.items(batch["batchId"])),
            "failed": len(list(client.items(batch["batchId"], "failed"))),
            "working": client.operation("py.work")["working"],
            "refused": refused,
        }
    )
)
