"""Output of the terminal client: exit codes, one plain line per problem, no secrets."""

import os
import signal
from pathlib import Path

import pytest
from tests.support.fault_proxy import Answer
from tests.support.processes import program
from tests.support.service import token_for
from tests.support.stubs import Canned, stub_s3
from tests.support.terminal import API_KEY, MIB, Terminal
from typer.testing import CliRunner

from uploadsvc.cli.commands import app as commands
from uploadsvc.settings import load_settings

SECRET = "a-secret-token-of-nobody"


async def test_a_line_for_each_file(term: Terminal) -> None:
    """Without JSON: where each is stored on standard output, what is wrong on standard error."""
    good, empty, gone = term.file(10, "good.bin"), term.file(0, "empty.bin"), term.directory / "gone.bin"
    done = await term.run(good, gone, empty)
    assert done.status == 1
    assert done.err == f"uploadsvc: {gone}: There is no such file.\n"
    lines = sorted(done.out.splitlines())
    assert lines[0].startswith(f"{empty} -> uploads/{term.user}/")
    assert lines[1].startswith(f"{good} -> uploads/{term.user}/")
    assert len(lines) == 2


async def test_what_is_no_file(term: Terminal) -> None:
    """Pipes, files that are not there."""
    pipe = term.directory / "pipe"
    os.mkfifo(pipe)
    done = await term.run("--json", pipe, term.directory / "none")
    assert done.status == 1
    problems = {line["file"]: line["problem"] for line in done.lines}
    assert problems[str(pipe)]["code"] == "not_a_file"
    assert problems[str(term.directory / "none")]["code"] == "file_not_found"
    assert term.line.exchanges == []


async def test_what_the_service_refuses(term: Terminal) -> None:
    """In its own words."""
    path = term.file(2000)
    done = await term.run(path, "--policy", "small")
    assert done.status == 1
    assert done.err == f"uploadsvc: {path}: The file has 2000 bytes; policy 'small' allows 1024.\n"
    done = await term.run(path, "--policy", "notes", "--metadata", "other=x", "--json")
    assert done.lines[0]["problem"]["code"] == "content_type_not_allowed"


@pytest.mark.parametrize("token", [SECRET, f"{SECRET}\nX-Injected: 1", "tökén", ""])
async def test_a_wrong_token_is_told_and_not_shown(term: Terminal, token: str) -> None:
    """One that the service does not take, and one that cannot be one."""
    holder = term.directory / "token"
    holder.write_text(token)
    done = await term.run(term.file(10), "--token-file", holder)
    assert done.status == 1
    assert done.err.count("\n") == 1
    assert SECRET not in done.err + done.out
    assert "X-Injected" not in done.err
    assert len(term.line.exchanges) == (1 if token == SECRET else 0)


async def test_a_token_of_somebody_else(term: Terminal) -> None:
    """Signed by another secret."""
    other = token_for(secret="some other secret, of 32 bytes or more, of another service")
    done = await term.run("--json", term.file(10), UPLOADSVC_TOKEN=other)
    assert (done.status, done.lines[0]["problem"]["code"]) == (1, "unauthenticated")
    assert other not in done.out + done.err


@pytest.mark.parametrize("command", ["false", "/no/such/command", "printf ''"])
async def test_a_token_command_that_gives_none(term: Terminal, command: str) -> None:
    """It is said which way it failed."""
    done = await term.run("--json", term.file(10), "--token-command", command)
    assert (done.status, done.lines[0]["problem"]["code"]) == (1, "no_credential")


@pytest.mark.parametrize(
    ("arguments", "variables", "said"),
    [
        ([], {}, "Missing argument"),
        (["f"], {"UPLOADSVC_URL": ""}, "--url"),
        (["f", "--url", "ftp://example.com"], {}, "https://uploads.example.com"),
        (["f", "--url", "https://me:secret@example.com"], {}, "must not contain user and password"),
        (["f"], {"UPLOADSVC_TOKEN": ""}, "UPLOADSVC_TOKEN"),
        (["f"], {"UPLOADSVC_TOKEN": "", "UPLOADSVC_API_KEY": API_KEY}, "--on-behalf-of"),
        (["f", "--on-behalf-of", "bob"], {}, "UPLOADSVC_API_KEY"),
        (["f", "--token-file", "t", "--token-command", "c"], {}, "only one"),
        (["f", "--token-command", ""], {}, "no command"),
        (["f", "--token-command", "a 'b"], {}, "--token-command"),
        (["f", "g", "--relative-key", "k"], {}, "a single file"),
        (["f", "--metadata", "x"], {}, "NAME=VALUE"),
        (["f", "--checksum", "md5"], {}, "sha256"),
        (["f", "--parallel", "0"], {}, "--parallel"),
        (["f", "--token", "t"], {}, "--token"),
    ],
)
async def test_wrong_usage(
    tmp_path: Path, arguments: list[str], variables: dict[str, str], said: str
) -> None:
    """Told before anything is sent."""
    environment = {
        "UPLOADSVC_URL": "http://127.0.0.1:9",
        "UPLOADSVC_TOKEN": SECRET,
        "TERM": "dumb",
        **variables,
    }
    async with program("upload", *arguments, directory=tmp_path, environment=environment) as running:
        assert await running.ended() == 2, running.err
    assert said in " ".join(running.err.replace("│", " ").split())
    assert "Traceback" not in running.err
    assert SECRET not in running.err


async def test_what_answers_is_no_uploadsvc(term: Terminal) -> None:
    """S3 itself, for one."""
    done = await term.run("--json", term.file(10), UPLOADSVC_URL=term.proxy.url)
    assert (done.status, done.lines[0]["problem"]["code"]) == (1, "unexpected_answer")
    detail = done.lines[0]["problem"]["detail"]
    assert "This is not an uploadsvc" in detail
    assert "as S3 does; give the address of the service" in detail


@pytest.mark.parametrize("line", ["line", "proxy"], ids=["service", "S3"])
async def test_a_redirect_is_not_followed(term: Terminal, line: str) -> None:
    """It could send the token or the file to another host."""
    async with stub_s3(Canned(status=200)) as elsewhere:
        moved = Answer(status=307, headers={"Location": f"{elsewhere.endpoint_url}/v1/uploads"})
        getattr(term, line).rule = lambda _: moved
        done = await term.run("--json", "--retries", 0, term.file(10))
    assert (done.status, elsewhere.requests) == (1, [])
    assert "answered 307" in done.lines[0]["problem"]["detail"]


async def test_a_service_that_is_not_there(term: Terminal) -> None:
    """The message comes once for all files, which fail after their retries."""
    paths = [term.file(10, name) for name in ("a.bin", "b.bin")]
    done = await term.run("--json", "--retries", 1, *paths, UPLOADSVC_URL="http://127.0.0.1:9/up")
    assert [line["problem"]["code"] for line in done.lines] == ["network_error"] * 2
    assert done.status == 1
    said = "The service at http://127.0.0.1:9 cannot be reached: Connection refused."
    assert done.lines[0]["problem"]["detail"] == said
    assert done.err == f"uploadsvc: {said} Trying again.\n"


async def test_bars_go_to_standard_error(term: Terminal) -> None:
    """And results to standard output, as they are."""
    paths = [term.file(12 * MIB, "a[b].bin"), term.file(10, "b.bin")]
    done = await term.run(*paths, "--json", "--progress", COLUMNS="200", TERM="xterm", FORCE_COLOR="1")
    assert done.status == 0, done
    assert len(done.lines) == 2
    assert "all files 2/2" in done.err
    assert "/a[b].bin " in done.err
    # The cursor that bars hide is shown again.
    assert done.err.rindex("\x1b[?25h") > done.err.rindex("\x1b[?25l")


async def test_ctrl_c_shows_the_cursor_again(term: Terminal) -> None:
    """Bars hide it."""
    async with term.started(term.file(10), "--progress", TERM="xterm", FORCE_COLOR="1") as running:
        await running.until(lambda: "\x1b[?25l" in running.err)
        done = await term.ended(running, signal.SIGINT)
    assert done.status in {0, 130}
    assert done.err.rindex("\x1b[?25h") > done.err.rindex("\x1b[?25l")


def test_the_command_is_listed() -> None:
    """``uploadsvc --help`` names it, and it can be had from there too."""
    shown = CliRunner().invoke(commands, ["--help"])
    assert "upload" in shown.output
    shown = CliRunner().invoke(commands, ["upload", "--help"])
    assert shown.exit_code == 0
    assert "--token-file" in shown.output


def test_serving_takes_the_clients_variables_for_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set for a whole machine, they keep nothing from starting."""
    monkeypatch.setenv("UPLOADSVC_S3__BUCKET", "media")
    monkeypatch.setenv("UPLOADSVC_S3__REGION", "eu-central-1")
    for name in ("URL", "TOKEN", "API_KEY"):
        monkeypatch.setenv(f"UPLOADSVC_{name}", SECRET)
    assert load_settings().s3.bucket == "media"


@pytest.mark.parametrize(
    "option", ["--policy", "--content-type", "--relative-key", "--metadata", "--on-behalf-of"]
)
def test_an_option_that_is_no_unicode_is_wrong_usage(
    option: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The system's encoding could not read it; nothing is sent."""
    monkeypatch.setenv("UPLOADSVC_TOKEN", "t")
    path = tmp_path / "a"
    path.touch()
    result = CliRunner().invoke(
        commands, ["upload", "--url", "http://127.0.0.1:9", option, "a=\udcff", str(path)]
    )
    assert result.exit_code == 2
    assert "not valid Unicode" in result.output
