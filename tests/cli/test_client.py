"""The client of the API: whatever is at the other end, what is said is one line."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from click.testing import CliRunner

from softswitch.cli.main import cli


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, [*arguments, "--token", "x"], prog_name="softswitch")
    return result.exit_code, result.stderr


@pytest.fixture
def other_server() -> Iterator[str]:
    """Something that speaks HTTP and is no softswitch; where it is. `/calls` ends in the middle."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "1000" if "calls" in self.path else "6")
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "http://", "http://h:99999", "http://h:x", "http://[::1", "ftp://h"])
def test_an_address_that_is_none(url: str) -> None:
    code, text = run("status", "--url", url)
    assert (code, len(text.splitlines())) == (1, 1)
    assert f"{url}: not an address of an API" in text


def test_something_else_answers(other_server: str) -> None:
    assert run("status", "--url", other_server) == (1, f"softswitch: what answers at {other_server} is no softswitch\n")


def test_an_answer_that_breaks_off(other_server: str) -> None:
    code, text = run("calls", "--url", other_server)
    assert code == 3
    assert text.startswith(f"softswitch: the switch at {other_server} went away: ")
