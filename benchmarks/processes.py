"""Starts and stops the server process and one worker process per contender."""

from __future__ import annotations

import http.client
import json
import socket
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

from benchmarks.environments import Environments, start_server

if TYPE_CHECKING:
    import subprocess

Result = dict[str, Any]

WARM_UP = (
    ("stream", {"answer": "text/20/1"}),
    ("astream", {"answer": "text/20/1"}),
    ("ask", {"answer": "whole/1/1", "repeat": 1}),
    ("aask", {"answer": "whole/1/1", "repeat": 1}),
)


class WorkerError(Exception):
    """A contender's process ended during a job."""


class Worker:
    """One contender's process."""

    def __init__(self, name: str, process: subprocess.Popen[str]) -> None:
        self.name = name
        self._process = process

    def __call__(self, job: str, **arguments: Any) -> Result:
        """Do a job; return its cost."""
        jobs, results = self._process.stdin, self._process.stdout
        if jobs is None or results is None:
            raise WorkerError(f"{self.name} has no pipes.")
        print(json.dumps({"job": job, **arguments}), file=jobs, flush=True)
        answer = results.readline()
        if not answer:
            raise WorkerError(f"{self.name} ended during {job} {arguments}.")
        result: Result = json.loads(answer)
        return result

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()


class Fleet:
    """The server process, and one warmed-up worker per contender."""

    def __init__(self, environments: Environments) -> None:
        self._environments = environments
        self._stack = ExitStack()
        self._workers: dict[str, Worker] = {}
        self._looks = 0
        self.port = 0

    def __enter__(self) -> Self:
        server = self._watch(start_server())
        self.port = int(server.stdout.readline()) if server.stdout else 0
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def base_url(self) -> str:
        """Where the server is."""
        return f"http://127.0.0.1:{self.port}/v1"

    def worker(self, name: str) -> Worker:
        """The worker of a contender, started and warmed up on first use."""
        return self._workers.get(name) or self._warm(name)

    def replace(self, worker: Worker) -> None:
        """End a contender's process; the next job gets a new one."""
        self._workers.pop(worker.name).end()

    def connections(self) -> int:
        """The number of connections to the server so far, without those of this method."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection.request("GET", "/connections")
        opened = json.loads(connection.getresponse().read())
        connection.close()
        self._looks += 1
        return int(opened) - self._looks

    def read_raw(self, answer: str) -> float:
        """Seconds to read an answer without parsing it, which is the server's speed."""
        body = json.dumps({"messages": [{"content": f"bench:{answer}"}]}).encode()
        start = time.perf_counter()
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            connection.sendall(
                b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
            )
            tail = b""
            while not tail.endswith(b"0\r\n\r\n"):
                tail = (tail + connection.recv(65536))[-16:]
        return time.perf_counter() - start

    def fresh(self, name: str) -> Worker:
        """A new worker that has made no request."""
        process = self._environments.start(name, "-m", "benchmarks.worker", name, self.base_url)
        return Worker(name, self._watch(process))

    def _warm(self, name: str) -> Worker:
        worker = self._workers[name] = self.fresh(name)
        for job, arguments in WARM_UP:
            worker(job, **arguments)
        return worker

    def _watch(self, process: subprocess.Popen[str]) -> subprocess.Popen[str]:
        """Register the process to be ended with the fleet; return it."""
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        return process
