"""Imports ``uploadsvc`` once, which takes a second, and forks a process for each program of the tests.

Such a process is like one of ``python -m uploadsvc``, from its environment to how it ends, but that it finds
all modules imported.
"""

import gc
import importlib
import json
import os
import pkgutil
import runpy
import socket
import sys
from contextlib import suppress
from typing import Final, TypedDict

MAX_REQUEST: Final = 256 * 1024

# What commands of the service import when they are run; ``dev`` is not among them.
_PACKAGES: Final = ("api", "auth", "bootstrap", "cli", "client", "doctor", "provisioning", "s3", "server")


class Request(TypedDict):
    """What is to be run, where, and with which variables."""

    module: str
    arguments: list[str]
    directory: str
    environment: dict[str, str]


def import_all() -> None:
    """Import the service."""
    for name in ("uploadsvc.app", *(f"uploadsvc.{package}" for package in _PACKAGES)):
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(getattr(package, "__path__", ()), f"{name}."):
            importlib.import_module(module.name)


def next_program(control: socket.socket) -> Request | None:
    """Fork for each request; return in the new process what it is to run, and ``None`` when no request comes.

    A request has three open files: standard output, standard error, and where to tell the process's number
    and exit status.
    """
    while True:
        request, files, _, _ = socket.recv_fds(control, MAX_REQUEST, 3)
        if not request:
            return None
        # One process waits for the program, so that this one need not.
        if os.fork() == 0:
            control.close()
            out, err, told = files
            if program := os.fork():
                _wait_for(program, told)
            os.setsid()
            os.write(told, f"{os.getpid()}\n".encode())
            os.close(told)
            return _become(json.loads(request), out, err)
        for file in files:
            os.close(file)
        _reap()


def _reap() -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _wait_for(program: int, told: int) -> None:
    _, status = os.waitpid(program, 0)
    os.write(told, f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _become(request: Request, out: int, err: int) -> Request:
    """Make this process that of the program."""
    os.chdir(request["directory"])
    os.environ.clear()
    os.environ.update(request["environment"])
    for file, number in ((os.open(os.devnull, os.O_RDONLY), 0), (out, 1), (err, 2)):
        os.dup2(file, number)
        os.close(file)
    sys.stdout = open(1, "w", encoding="utf-8", errors="surrogateescape", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    return request


if __name__ == "__main__":
    import_all()
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=int(sys.argv[1])) as requests:
        program = next_program(requests)
    if program is not None:
        sys.argv[1:] = program["arguments"]
        runpy.run_module(program["module"], run_name="__main__", alter_sys=True)
