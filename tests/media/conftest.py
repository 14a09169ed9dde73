import pytest
from harness import Media, free_ports

from softswitch.media.ring import why_not


@pytest.fixture(params=["epoll", "uring"])
def backend(request):
    """Each backend that runs here."""
    if request.param == "uring" and (reason := why_not()):
        pytest.skip(f"io_uring: {reason}")
    return request.param


@pytest.fixture
def media(tmp_path, backend):
    """Starts media processes on port ranges of their own; all are ended and must have said nothing on stderr."""
    started = []

    def start(ports=None, **options):
        if ports is None:
            first = free_ports(64, options.get("address", "127.0.0.1"))
            ports = first, first + 63
        made = Media(tmp_path, ports, **{"backend": backend, **options})
        started.append(made)
        return made

    yield start
    for one in started:
        assert one.stop() == b""
