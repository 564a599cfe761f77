"""Millrace from Python: workers for operations, and a client for batches.

One file, nothing but the standard library, Python 3.9 or later. Copy it beside your code.

    from millrace import Worker

    worker = Worker("http://localhost:8000", key="mr_…", concurrency=8)

    @worker("resize", item={"type": "object", "required": ["url"]}, max_attempts=5)
    def resize(item, job):
        job.progress(50, "Half way")
        return {"bytes": make_thumbnail(item["url"])}

    worker.run()          # until SIGTERM or SIGINT: what runs may end, the rest is handed back

Jobs run in threads. A worker's CPU-heavy code runs better in several processes of it: start the script as often as there are cores.
"""

import http.client
import json
import os
import queue
import random
import re
import signal
import socket
import ssl
import threading
import time
import traceback
import urllib.parse
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional

__all__ = ["Client", "Continue", "Job", "MillraceError", "NonRetryable", "RetryAfter", "Stopped", "Worker"]

_TIMEOUT = 60.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0
# Statuses after which the same request may be sent again.
_PASSING = {429, 502, 503, 504, 507}


class MillraceError(Exception):
    """An answer that is an error: `status` of HTTP, `code`, and the `field` that was wrong."""

    def __init__(self, status: int, body: Any):
        facts = body if isinstance(body, dict) else {}
        super().__init__(str(facts.get("message") or body or "HTTP %d" % status))
        self.status = status
        self.code = facts.get("error")
        self.field = facts.get("field")
        self.body = body


class NonRetryable(Exception):
    """Raised by a worker's function: the job fails at once."""


class RetryAfter(Exception):
    """Raised by a worker's function: the next attempt is made so many seconds from now."""

    def __init__(self, message: str, seconds: float):
        super().__init__(message)
        self.seconds = seconds


class Stopped(Exception):
    """Raised by `job.check()` once the job is not to go on: `reason` is CANCELLED, DEADLINE_EXCEEDED, BUDGET_EXCEEDED, SUPERSEDED, TIMEOUT, LOST or SHUTDOWN."""

    def __init__(self, reason: str):
        super().__init__("The job is stopped: %s." % reason)
        self.reason = reason


class _Http:
    """Sends JSON over connections that are kept, one a thread; tries again what did not arrive."""

    def __init__(self, url: str, key: Optional[str]):
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("url: expected an address such as http://localhost:8000, not %r." % url)
        self._parts, self._local = parts, threading.local()
        self._sending: Dict[int, http.client.HTTPConnection] = {}
        self._headers = {"Accept": "application/json", "User-Agent": "millrace-python"}
        if key:
            self._headers["Authorization"] = "Bearer " + key

    def _connect(self, timeout: float) -> http.client.HTTPConnection:
        if self._parts.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(self._parts.hostname, self._parts.port, timeout=timeout, context=context)
        return http.client.HTTPConnection(self._parts.hostname, self._parts.port, timeout=timeout)

    def address(self, path: str) -> str:
        return self._parts.path.rstrip("/") + path

    def _once(self, method: str, path: str, body: Optional[bytes], headers: Dict[str, str]):
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect(_TIMEOUT)
        try:
            self._sending[threading.get_ident()] = connection
            connection.request(method, self.address(path), body=body, headers=headers)
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        except BaseException:
            connection.close()
            self._local.connection = None
            raise
        finally:
            self._sending.pop(threading.get_ident(), None)

    def interrupt(self) -> None:
        """Breaks off requests of other threads that wait for an answer."""
        for connection in list(self._sending.values()):
            try:
                if connection.sock is not None:
                    connection.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def send(
        self,
        method: str,
        path: str,
        value: Any = None,
        headers: Optional[Dict[str, str]] = None,
        raw: Optional[bytes] = None,
        give_up: Optional[Callable[[], bool]] = None,
        answers: Iterable[int] = (),
        tries: Optional[int] = 8,
    ) -> Any:
        """Sends a request. `answers`: statuses that are answers like 2xx. `tries`: None for as many as it takes."""
        body = raw if raw is not None else None if value is None else json.dumps(value).encode()
        sent = dict(self._headers, **(headers or {}))
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        failures = 0
        while True:
            pause = None
            try:
                status, got, data = self._once(method, path, body, sent)
                answer = _parse(data)
                if 200 <= status < 300 or status in answers:
                    return answer
                error: Exception = MillraceError(status, answer)
                if status not in _PASSING:
                    raise error
                after = got.get("Retry-After", "")
                pause = float(after) if after.isdigit() else None
            except (OSError, http.client.HTTPException) as broken:
                error = broken
            failures += 1
            if (tries is not None and failures >= tries) or (give_up is not None and give_up()):
                raise error
            longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(failures - 1, 10))
            time.sleep(min(pause, 60.0) if pause is not None else longest * (0.5 + random.random() / 2))

    def stream(self, path: str, headers: Dict[str, str]) -> http.client.HTTPResponse:
        connection = self._connect(_TIMEOUT)
        connection.request("GET", self.address(path), headers=dict(self._headers, **headers))
        response = connection.getresponse()
        if response.status >= 400:
            raise MillraceError(response.status, _parse(response.read()))
        return response


def _parse(data: bytes) -> Any:
    try:
        return json.loads(data) if data else None
    except ValueError:
        return data.decode("utf-8", "replace")


def _given(**fields: Any) -> Dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _quoted(text: str) -> str:
    return urllib.parse.quote(text, safe="")


class Client:
    """Makes batches, follows them, and reads what came of them."""

    def __init__(self, url: Optional[str] = None, key: Optional[str] = None):
        """`url` and `key` default to the variables MILLRACE_URL and MILLRACE_KEY."""
        address = url or os.environ.get("MILLRACE_URL") or "http://localhost:8000"
        self._http = _Http(address, key or os.environ.get("MILLRACE_KEY"))

    def declare(self, operation: str, **declaration: Any) -> Dict[str, Any]:
        """Declares an operation, or changes it: `item`, `result`, `input` (JSON Schemas), `maxAttempts`, `concurrency` and so on."""
        return self._http.send("PUT", "/api/operations/" + _quoted(operation), declaration)["operation"]

    def operation(self, name: str) -> Dict[str, Any]:
        """An operation, and whether anybody works on it."""
        return self._http.send("GET", "/api/operations/" + _quoted(name))["operation"]

    def create(
        self,
        operation: str,
        items: Iterable[Any],
        input: Any = None,
        options: Optional[Dict[str, Any]] = None,
        key: Optional[str] = None,
    ) -> Dict[str, Any]:
        """Makes a batch with a job for each item. Repeated under the same `key` it is one batch; a key is made where none is given."""
        body = dict(_given(input=input, options=options), operation=operation, items=list(items))
        name = key or "py-%032x" % random.getrandbits(128)
        return self._http.send("POST", "/api/batch", body, headers={"Idempotency-Key": name})

    def status(self, batch_id: str) -> Dict[str, Any]:
        """Where the batch stands."""
        return self._http.send("GET", "/api/batch/" + _quoted(batch_id))["batch"]

    def cancel(self, batch_id: str) -> Dict[str, Any]:
        """Ends the batch early."""
        return self._http.send("POST", "/api/batch/%s/cancel" % _quoted(batch_id))

    def retry(self, batch_id: str) -> Dict[str, Any]:
        """Runs again what failed or was cancelled."""
        return self._http.send("POST", "/api/batch/%s/retry" % _quoted(batch_id))

    def follow(self, batch_id: str, last_event_id: int = 0) -> Iterator[Dict[str, Any]]:
        """Gives each event of the batch as it happens, up to `batch_completed`; goes on after a connection that broke."""
        cursor, failures = last_event_id, 0
        while True:
            try:
                path = "/api/batch/%s/stream" % _quoted(batch_id)
                with self._http.stream(path, {"Accept": "text/event-stream", "Last-Event-ID": str(cursor)}) as response:
                    if response.status == 204:
                        return
                    for number, event in _events(response):
                        failures = 0
                        cursor = number if number is not None else cursor
                        yield event
                        if event.get("type") == "batch_completed":
                            return
            except MillraceError as error:
                if error.status not in _PASSING:
                    raise
            except (OSError, http.client.HTTPException):
                pass
            failures += 1
            time.sleep(min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(failures - 1, 10)) * (0.5 + random.random() / 2))

    def wait(self, batch_id: str) -> Dict[str, Any]:
        """Waits until the batch has ended, and gives where it stands."""
        for _ in self.follow(batch_id):
            pass
        return self.status(batch_id)

    def items(self, batch_id: str, only: Optional[str] = None) -> Iterator[Dict[str, Any]]:
        """Gives what came of each item, page by page. `only`: `succeeded`, `failed` or `untouched`."""
        cursor: Optional[int] = None
        while True:
            query = urllib.parse.urlencode(_given(set=only, cursor=cursor, limit=1000))
            page = self._http.send("GET", "/api/batch/%s/results?%s" % (_quoted(batch_id), query))
            found = [dict(one, set=name) for name in ("succeeded", "failed", "untouched") for one in page.get(name, [])]
            for one in sorted(found, key=lambda row: row["index"]):
                yield one
            cursor = page.get("next")
            if cursor is None:
                return


def _events(response: Iterable[bytes]) -> Iterator[Any]:
    """Reads server-sent events: the number of each, where it has one, and its data."""
    number, data = None, []
    for raw in response:
        line = raw.decode("utf-8").rstrip("\r\n")
        if line == "":
            if data:
                yield number, json.loads("\n".join(data))
            number, data = None, []
        elif line.startswith("data:"):
            data.append(line[5:].lstrip(" "))
        elif line.startswith("id:") and line[3:].strip().isdigit():
            number = int(line[3:])


class Continue:
    """What `job.continue_later` gives; returned by the function as it is."""

    def __init__(self, checkpoint: Any, delay: float, kept: bool):
        self.checkpoint, self.delay, self.kept = checkpoint, delay, kept


class Job:
    """A claimed job. Its methods may be called from any thread."""

    def __init__(self, claimed: Dict[str, Any], beat: Callable[[], None]):
        self.id: str = claimed["id"]
        self.batch_id: str = claimed["batchId"]
        self.operation: str = claimed["operation"]
        self.owner: str = claimed["owner"]
        self.index: int = claimed["index"]
        self.item_id: Optional[str] = claimed["itemId"]
        self.attempt: int = claimed["attempt"]
        self.max_attempts: int = claimed["maxAttempts"]
        self.item: Any = claimed["item"]
        self.input: Any = claimed["input"]
        #: State that an earlier run kept; None for none.
        self.state: Any = claimed["checkpoint"]
        self.lease: str = claimed["lease"]
        #: Why the job is not to go on; None while it is.
        self.stopped: Optional[str] = None
        self._tallies: Dict[str, float] = {}
        self._progress: Optional[Dict[str, Any]] = None
        self._kept: Any = None
        self._handed_in = False
        self._keeps = False
        self._beat = beat

    @property
    def held(self) -> Dict[str, str]:
        return {"id": self.id, "lease": self.lease}

    def progress(self, percent: float, message: str = "", stage: Optional[str] = None) -> None:
        """Tells how far the job is, from 0 to 100. The latest value counts; it goes with the next heartbeat."""
        bounded = min(100.0, max(0.0, float(percent)))
        self._progress = dict(_given(stage=stage), percent=bounded, message=message)
        self._beat()

    def checkpoint(self, state: Any) -> None:
        """Keeps JSON from which the next run of this job starts. It goes with the next heartbeat, and with what the job ends with."""
        json.dumps(state)
        self._kept, self._keeps = state, True
        self._beat()

    def continue_later(self, *state: Any, delay: float = 0) -> Continue:
        """Ends this run: the job goes on in a fresh one, which is no attempt. `return job.continue_later({"page": 3})`."""
        return Continue(state[0] if state else None, delay, bool(state))

    def emit(self, amount: float, name: str = "total") -> None:
        """Adds to a number that is summed over the batch."""
        self._tallies[name] = self._tallies.get(name, 0) + amount

    def check(self) -> None:
        """Raises Stopped where the job is not to go on. Called now and then by work that takes long."""
        if self.stopped is not None:
            raise Stopped(self.stopped)

    def _take_beat(self) -> Dict[str, Any]:
        beat: Dict[str, Any] = dict(self.held)
        progress, self._progress = self._progress, None
        if progress is not None:
            beat["progress"] = progress
        if self._keeps:
            self._keeps = False
            beat["checkpoint"] = self._kept
        return beat


class _Handler:
    def __init__(self, function: Callable[[Any, Job], Any], declaration: Optional[Dict[str, Any]]):
        self.function, self.declaration = function, declaration


class Worker:
    """Runs jobs of operations in threads."""

    def __init__(
        self,
        url: Optional[str] = None,
        key: Optional[str] = None,
        concurrency: int = 8,
        batch: Optional[int] = None,
        lease: float = 30,
        grace: float = 5,
        log: Optional[Callable[[str], None]] = None,
    ):
        """
        `concurrency`: jobs run at once. `batch`: jobs claimed at once, `concurrency` unless more is said, at most 200; more than run at once
        is worth it where jobs take milliseconds. `lease`: seconds after which another worker may have the jobs of one that is gone.
        `grace`: seconds that jobs have to end when the worker is asked to stop. `log` is given lines about what went wrong.
        """
        if concurrency < 1:
            raise ValueError("concurrency: expected at least 1.")
        address = url or os.environ.get("MILLRACE_URL") or "http://localhost:8000"
        self._http = _Http(address, key or os.environ.get("MILLRACE_KEY"))
        # Of its own, so that a claim that waits can be broken off.
        self._claims = _Http(address, key or os.environ.get("MILLRACE_KEY"))
        self.concurrency, self.lease, self.grace = concurrency, lease, grace
        self.batch = max(1, min(200, batch or concurrency))
        ahead = self.batch > concurrency
        # Jobs held at most, and so many that it is worth to claim again. Where jobs are not claimed ahead, as many as run.
        self._most = self.batch + self.batch // 2 if ahead else concurrency
        self._few = self.batch // 2 if ahead else concurrency - 1
        self._log = log or (lambda line: print("millrace: " + line, flush=True))
        self._handlers: Dict[str, _Handler] = {}
        self._held: Dict[str, Job] = {}
        self._lock = threading.Lock()
        self._jobs: "queue.SimpleQueue[Optional[Job]]" = queue.SimpleQueue()
        self._ended: "queue.SimpleQueue[Optional[Dict[str, Any]]]" = queue.SimpleQueue()
        self._room = threading.Condition(self._lock)
        # True while a claim is under way, by itself or with what is handed in.
        self._claiming = False
        self._stopping = threading.Event()
        self._beating = threading.Event()
        self._done = threading.Event()

    def __call__(self, operation: str, **declaration: Any) -> Callable[[Callable[[Any, Job], Any]], Callable[[Any, Job], Any]]:
        """
        Decorates the function that runs an operation's jobs: `function(item, job)` returns the result. Where anything else is said (`item`,
        `result`, `input` as JSON Schemas, `max_attempts`, `concurrency`, `time_limit` in seconds, `backoff`, `description`), the operation is
        declared when the worker starts.
        """
        names = {"max_attempts": "maxAttempts", "time_limit": "timeLimitSeconds", "max_jobs": "maxJobs"}
        declared = {names.get(name, name): value for name, value in declaration.items()}

        def decorate(function: Callable[[Any, Job], Any]) -> Callable[[Any, Job], Any]:
            self._handlers[operation] = _Handler(function, declared or None)
            return function

        return decorate

    def stop(self) -> None:
        """Asks the worker to stop: it claims no more, lets what runs end within `grace`, and hands back the rest."""
        self._stopping.set()

    def run(self, signals: bool = True) -> None:
        """Works until `stop` is called or, where `signals` holds, SIGTERM or SIGINT comes."""
        if not self._handlers:
            raise ValueError("There is no operation to work on: decorate a function with @worker(name).")
        if signals:
            for one in (signal.SIGTERM, signal.SIGINT):
                signal.signal(one, lambda *_: self.stop())
        for name, handler in self._handlers.items():
            if handler.declaration is not None:
                self._http.send("PUT", "/api/operations/" + _quoted(name), handler.declaration, give_up=self._stopping.is_set, tries=None)
        claimer, beater, writer = (self._thread(run) for run in (self._claim_all, self._beat_all, self._write_all))
        for _ in range(self.concurrency):
            self._thread(self._run_all)
        while not self._stopping.wait(0.5):
            if not claimer.is_alive():
                break
        self._finish(claimer, beater, writer)

    def _thread(self, run: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    def _finish(self, claimer: threading.Thread, beater: threading.Thread, writer: threading.Thread) -> None:
        failed = not self._stopping.is_set()
        self._stopping.set()
        with self._room:
            self._room.notify_all()
        # A claim that waits brings nothing any more; where it brought jobs just now, they are here in a moment.
        claimer.join(0.2)
        self._claims.interrupt()
        # What waits for a thread was not begun.
        for job in self._take_waiting():
            self._end(job, {"release": True})
        end = time.monotonic() + self.grace
        while time.monotonic() < end and (self._held or claimer.is_alive()):
            for job in self._take_waiting():
                self._end(job, {"release": True})
            time.sleep(0.02)
        with self._lock:
            rest = list(self._held.values())
        for job in rest:
            job.stopped = job.stopped or "SHUTDOWN"
            self._end(job, dict({"checkpoint": job._kept} if job._keeps else {}, release=True))
        self._ended.put(None)
        writer.join(self.grace + 5)
        self._done.set()
        self._beating.set()
        beater.join(1)
        if failed:
            raise self._failure or RuntimeError("The worker stopped claiming.")

    _failure: Optional[BaseException] = None

    def _take_waiting(self) -> List[Job]:
        waiting: List[Job] = []
        while True:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return waiting
            if job is not None:
                waiting.append(job)

    def _claim_all(self) -> None:
        try:
            while not self._stopping.is_set():
                with self._room:
                    while not self._stopping.is_set() and (self._claiming or len(self._held) > self._few):
                        self._room.wait(1)
                    room = self._most - len(self._held)
                    self._claiming = not self._stopping.is_set()
                if self._stopping.is_set():
                    return
                try:
                    self._claim(min(self.batch, room))
                finally:
                    with self._lock:
                        self._claiming = False
        except Exception as error:
            if not self._stopping.is_set():
                self._failure = error
                self._log("claiming failed: %s" % error)

    def _claim(self, room: int) -> None:
        body = {"operations": list(self._handlers), "max": room, "leaseSeconds": self.lease, "wait": min(20, _TIMEOUT / 2)}
        if self._held:
            body["wait"] = 1
        answer = self._claims.send("POST", "/api/workers/claim", body, give_up=self._stopping.is_set, tries=None)
        with self._lock:
            self._take(answer["jobs"])

    def _take(self, claimed: List[Dict[str, Any]]) -> None:
        """Takes jobs that were claimed; the lock is held."""
        for one in claimed:
            job = Job(one, self._beating.set)
            self._held[job.id] = job
            self._jobs.put(job)

    def _run_all(self) -> None:
        while True:
            job = self._jobs.get()
            if job is not None:
                self._run(job)

    def _run(self, job: Job) -> None:
        if job.stopped is not None:
            return
        try:
            returned = self._handlers[job.operation].function(job.item, job)
        except NonRetryable as error:
            end: Dict[str, Any] = {"error": {"message": _said(error), "retryable": False}}
        except RetryAfter as error:
            end = {"error": {"message": _said(error), "retryAfterSeconds": max(0, error.seconds)}}
        except Stopped:
            end = {"release": True}
        except Exception as error:
            self._log("a job of %s failed: %s" % (job.operation, "".join(traceback.format_exception_only(type(error), error)).strip()))
            end = {"error": {"message": _said(error)}}
        else:
            if isinstance(returned, Continue):
                end = dict(_given(delaySeconds=returned.delay or None), **{"continue": True})
                if returned.kept:
                    end["checkpoint"] = returned.checkpoint
            else:
                end = {"result": returned}
                if job._tallies:
                    end["tallies"] = job._tallies
        if "result" not in end and "checkpoint" not in end and job._keeps:
            end["checkpoint"] = job._kept
        self._end(job, end)

    def _end(self, job: Job, end: Dict[str, Any]) -> None:
        """Hands in what a job came to, unless it is no longer held."""
        with self._lock:
            if self._held.get(job.id) is not job or job.stopped in ("CANCELLED", "DEADLINE_EXCEEDED", "BUDGET_EXCEEDED", "SUPERSEDED", "TIMEOUT", "LOST"):
                self._drop(job)
                return
            if job._handed_in:
                return
            job._handed_in = True
        try:
            json.dumps(end, allow_nan=False)
        except (TypeError, ValueError) as error:
            end = {"error": {"message": "The function returned what is no JSON: %s" % error, "retryable": False}}
        self._ended.put(dict(end, **job.held))

    def _drop(self, job: Job) -> None:
        """Lets go of a job; the lock is held."""
        if self._held.get(job.id) is job:
            del self._held[job.id]
            self._room.notify()

    def _write_all(self) -> None:
        """Hands in what came together in one request."""
        last = False
        while not last:
            group = [self._ended.get()]
            while len(group) < 200:
                try:
                    group.append(self._ended.get_nowait())
                except queue.Empty:
                    break
            last = None in group
            jobs = [one for one in group if one is not None]
            if jobs:
                try:
                    self._write(jobs)
                except Exception as error:
                    self._log("handing in failed; the jobs are left to their leases: %s" % error)
                    with self._lock:
                        for one in jobs:
                            if one["id"] in self._held:
                                self._drop(self._held[one["id"]])

    def _write(self, jobs: List[Dict[str, Any]], claims: bool = True) -> None:
        tries = 3 if self._stopping.is_set() else None
        body: Dict[str, Any] = {"jobs": jobs}
        room = self._claim_room(jobs) if claims else 0
        if room > 0:
            body["claim"] = {"operations": list(self._handlers), "max": room, "leaseSeconds": self.lease}
        try:
            answer = self._http.send("POST", "/api/workers/complete", body, answers=(409, 422), tries=tries, give_up=self._stopping.is_set)
            wrong = [one for one in answer["jobs"] if one["status"] == 422]
            with self._lock:
                refused = {one["id"] for one in wrong}
                self._take(answer.get("claimed", []))
                for one in jobs:
                    if one["id"] in self._held and one["id"] not in refused:
                        self._drop(self._held[one["id"]])
        finally:
            if room > 0:
                with self._lock:
                    self._claiming = False
                    self._room.notify()
        for one in wrong:
            # Another attempt would give the same.
            message = re.sub(r"^jobs\.\d+\.", "", one["message"])
            self._log("a result was refused: %s" % message)
            job = next(job for job in jobs if job["id"] == one["id"])
            error = {"message": "The worker's result is not as declared: %s" % message, "retryable": False}
            self._write([{"id": job["id"], "lease": job["lease"], "error": error}], claims=False)

    def _claim_room(self, jobs: List[Dict[str, Any]]) -> int:
        """How many jobs to claim with the request that hands these in; 0 where another claim is under way, or enough are held."""
        with self._lock:
            left = len(self._held) - sum(1 for one in jobs if one["id"] in self._held)
            if self._claiming or self._stopping.is_set() or left > self._few:
                return 0
            self._claiming = True
            return min(self.batch, self._most - left)

    def _beat_all(self) -> None:
        """Renews leases when a third of them is over; sends progress sooner, at most twice a second."""
        beaten = time.monotonic()
        while not self._done.is_set():
            moved = self._beating.wait(max(0.05, beaten + self.lease / 3 - time.monotonic()))
            self._beating.clear()
            if self._done.is_set():
                return
            with self._lock:
                held = list(self._held.values())
            due = time.monotonic() - beaten >= self.lease / 3 - 0.01
            jobs = held if due else [job for job in held if job._progress is not None or job._keeps]
            if due:
                beaten = time.monotonic()
            for at in range(0, len(jobs), 200):
                try:
                    self._beat(jobs[at : at + 200])
                except Exception as error:
                    self._log("a heartbeat failed: %s" % error)
            if moved:
                time.sleep(0.5)

    def _beat(self, jobs: List[Job]) -> None:
        body = {"jobs": [job._take_beat() for job in jobs], "leaseSeconds": self.lease}
        answer = self._http.send("POST", "/api/workers/heartbeat", body, tries=2)
        reasons = dict({one["id"]: one["reason"] for one in answer["cancelled"]}, **{one: "LOST" for one in answer["lost"]})
        with self._lock:
            for job in jobs:
                # One that was handed in meanwhile is not lost.
                if job.id in reasons and self._held.get(job.id) is job and not job._handed_in:
                    job.stopped = reasons[job.id]
                    self._drop(job)


def _said(error: BaseException) -> str:
    text = str(error) or type(error).__name__
    return text[:9_000].replace("\0", "\ufffd")
