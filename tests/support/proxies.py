"""The reverse proxies of `docs/proxies.md`, run with the page's own examples."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import pytest
from tests.support.certificates import certificate_for
from tests.support.pages import examples, text_of
from tests.support.servers import free_port

GUIDE: Final = text_of("docs/proxies.md")
NGINX, NGINX_STORE = examples(GUIDE, "nginx")
(CADDY,) = examples(GUIDE, "text")
(HAPROXY,) = examples(GUIDE, "haproxy")
SERVICE: Final = "127.0.0.1:8000"
STORE: Final = "http://127.0.0.1:8333"
"""Where the examples say that the service and the store are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """A proxy and the example that it is run with.

    Attributes:
        program: Its command, and the Debian package that has it.
        config: The example, completed by what its main file has around it.
        moved: What differs in a test: ports, certificates. Each must be in the example.
        arguments: Of the command; ``{config}`` is the file.
    """

    program: str
    config: str
    moved: Mapping[str, str]
    arguments: tuple[str, ...]


# Debian's nginx would write below /var/lib.
_TEMPORARY: Final = "\n".join(
    f"    {name}_temp_path {{directory}}/{name};"
    for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
)
_NGINX: Final = ("-p", "{directory}", "-e", "stderr", "-c", "{config}")
_NGINX_MAIN: Final = f"daemon off;\npid {{directory}}/pid;\nevents {{}}\nhttp {{\n{_TEMPORARY}\n"


def _nginx(example: str, name: str) -> Proxy:
    moved = {
        "listen 443 ssl": "listen 127.0.0.1:{port} ssl",
        f"/etc/nginx/{name}.pem": "{certificate}",
        f"/etc/nginx/{name}.key": "{certificate}",
    }
    return Proxy(program="nginx", config=f"{_NGINX_MAIN}{example}}}\n", moved=moved, arguments=_NGINX)


PROXIES: Final = {
    "nginx": _nginx(NGINX, "uploads"),
    "caddy": Proxy(
        program="caddy",
        # Else it would ask for a certificate for the name, and listen on ports 80 and 2019 too.
        config=f"{{\n    admin off\n    auto_https off\n}}\n{CADDY}",
        moved={"uploads.example.com {": "https://127.0.0.1:{port} {{\n    tls {certificate} {certificate}"},
        arguments=("run", "--adapter", "caddyfile", "--config", "{config}"),
    ),
    "haproxy": Proxy(
        program="haproxy",
        config=HAPROXY,
        moved={"bind :443 ssl crt /etc/haproxy/uploads.pem": "bind 127.0.0.1:{port} ssl crt {certificate}"},
        arguments=("-W", "-f", "{config}"),
    ),
}
"""Those that pass requests to the service."""
STORE_PROXY: Final = _nginx(NGINX_STORE, "s3")


@asynccontextmanager
async def running(proxy: Proxy, directory: Path, moved: Mapping[str, str]) -> AsyncIterator[str]:
    """Run a proxy, and give its origin.

    Args:
        proxy: Which, with its example.
        directory: It writes here only.
        moved: What the example calls others by, and where those are.
    """
    program = shutil.which(proxy.program, path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip(f"{proxy.program} is not installed: apt-get install {proxy.program}")
    port = free_port()
    values = {
        "port": str(port),
        "directory": str(directory),
        "certificate": str(certificate_for("127.0.0.1", directory / "certificate.pem")),
        "config": str(directory / "config"),
    }
    config = proxy.config.replace("{directory}", str(directory))
    for old, new in (*((old, new.format(**values)) for old, new in proxy.moved.items()), *moved.items()):
        assert old in config
        config = config.replace(old, new)
    (directory / "config").write_text(config, encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        program,
        *(argument.format(**values) for argument in proxy.arguments),
        env={"PATH": os.defpath, "HOME": str(directory), "XDG_DATA_HOME": str(directory)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    origin = f"https://127.0.0.1:{port}"
    try:
        await _answers(origin, process)
        yield origin
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.communicate()


async def _answers(origin: str, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(20), httpx.AsyncClient(verify=False, trust_env=False) as http:  # noqa: S501 - signs itself
        while process.returncode is None:
            with suppress(httpx.TransportError):
                await http.get(origin)
                return
            await asyncio.sleep(0.05)
    said, _ = await process.communicate()
    pytest.fail(said.decode(errors="replace"))
