import pytest
from harness import Media, Phone, free_ports

from softswitch.media.ring import why_not
from tests.precedence import precedence


@pytest.fixture(params=["epoll", "uring"])
def backend(request):
    """Each backend that runs here."""
    if request.param == "uring" and (reason := why_not()):
        pytest.skip(f"io_uring: {reason}")
    return request.param


@pytest.fixture
def ahead():
    """Of others, where that is allowed."""
    with precedence():
        yield


@pytest.fixture
def media(tmp_path, backend, ahead):
    """Starts media processes on port ranges of their own; all are ended and must have said nothing on stderr."""
    started = []

    def start(ports=None, **options):
        if ports is None:
            first = free_ports(64, options.get("address", "127.0.0.1").replace("*", "::"))
            ports = first, first + 63
        made = Media(tmp_path, ports, **{"backend": backend, **options})
        started.append(made)
        return made

    try:
        yield start
        for one in started:
            assert one.stop() == b""
    finally:
        while Phone.opened:
            Phone.opened.pop().close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """`speech_failed` tells the fixture of `test_speech_live.py` that its run is no good to a second try."""
    outcome = yield
    if call.when == "call" and outcome.get_result().failed:
        item.speech_failed = True


def pytest_terminal_summary(terminalreporter):
    """What was heard, in figures: the properties that begin with PESQ or say how far channels are apart."""
    told = {
        name: value
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", None) == "call"
        for name, value in getattr(report, "user_properties", ())
        if str(name).startswith(("PESQ", "recording"))
    }
    if told:
        terminalreporter.section("speech through the switch")
        for name, value in told.items():
            terminalreporter.write_line(f"{name}: {value}")
