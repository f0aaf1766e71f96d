"""The simulator on a real socket: connections that are cut, bytes that stop, and a load."""

import threading
from collections.abc import Iterator

import httpx
import pytest
from simulator_calls import APIFRAME_KEY

from kbatch.simulator.faults.selection import rule
from kbatch.simulator.listen import serving
from kbatch.simulator.server import SimulatorSettings

FAULTS = (
    rule("lost-answer", match="lost"),
    rule("cut", match="before"),
    rule("timeout", match="silent"),
    rule("hang-answer", match="swallowed"),
    rule("cut-download", match="half", times=2),
    rule("slow-download", match="drops"),
)


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    """A client of one server with several faults, chosen by the prompt."""
    with (
        serving(SimulatorSettings(clips=False, faults=FAULTS, slow_s=0.2)) as url,
        httpx.Client(base_url=url, timeout=5) as client,
    ):
        yield client


def buy(http: httpx.Client, prompt: str, *, timeout: float = 5) -> httpx.Response:
    """Submit a clip of this prompt."""
    body = {"prompt": prompt, "model": "kling-2.1"}
    return http.post("/v2/videos/generate", headers=APIFRAME_KEY, json=body, timeout=timeout)


def url_of(http: httpx.Client, prompt: str) -> str:
    """Buy a clip and return its URL."""
    answer = http.get(f"/v2/jobs/{buy(http, prompt).json()['jobId']}", headers=APIFRAME_KEY)
    return str(answer.json()["result"]["videoUrl"])


def charges(http: httpx.Client) -> int:
    """Return how many charges are on the bill."""
    return len(http.get("/__bill").json()["charges"])


@pytest.mark.parametrize(("prompt", "accepted"), [("before", 0), ("lost", 1)])
def test_a_cut_connection_is_really_cut(http: httpx.Client, prompt: str, accepted: int) -> None:
    """The server disconnects without a byte of an answer; the bill knows whether the job exists."""
    before = charges(http)
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        buy(http, prompt)
    assert charges(http) - before == accepted


@pytest.mark.parametrize(("prompt", "accepted"), [("silent", 0), ("swallowed", 1)])
def test_an_answer_that_never_comes_times_out(http: httpx.Client, prompt: str, accepted: int) -> None:
    """The client's own timeout ends it."""
    before = charges(http)
    with pytest.raises(httpx.ReadTimeout):
        buy(http, prompt, timeout=0.3)
    assert charges(http) - before == accepted


def test_a_download_breaks_off_midway_and_can_be_resumed(http: httpx.Client) -> None:
    """Twice half of what was left arrives, then the rest; together they are the file."""
    url, have = url_of(http, "half"), bytearray()

    def go_on() -> None:
        with http.stream("GET", url, headers={"range": f"bytes={len(have)}-"}) as answer:
            for piece in answer.iter_raw():
                have.extend(piece)

    for _ in range(2):
        before = len(have)
        with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
            go_on()
        assert len(have) > before
    go_on()
    assert bytes(have) == http.get(url).content


def test_a_slow_download_comes_in_drops(http: httpx.Client) -> None:
    """Several pieces arrive one after another, and are the whole file."""
    url = url_of(http, "drops")
    with http.stream("GET", url) as answer:
        pieces = list(answer.iter_raw())
    assert len(pieces) > 5
    assert len(b"".join(pieces)) == int(answer.headers["content-length"])


def test_answers_carry_one_date_and_no_server(http: httpx.Client) -> None:
    """The world's `Date` is the only one."""
    answer = http.get("/v2/models")
    assert len(answer.headers.get_list("date")) == 1
    assert "server" not in answer.headers


def test_many_clients_are_served_and_billed_exactly(http: httpx.Client) -> None:
    """Eight threads with 25 submits each: two hundred charges more, two hundred ids."""
    before = charges(http)
    ids: list[str] = []

    def work() -> None:
        with httpx.Client(base_url=http.base_url) as mine:
            ids.extend(buy(mine, "plain").json()["jobId"] for _ in range(25))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(ids)) == 200
    assert charges(http) - before == 200


def test_a_port_in_use_is_an_error() -> None:
    """Two servers cannot have one port."""
    with serving(SimulatorSettings(clips=False)) as url:
        port = int(url.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"), serving(SimulatorSettings(clips=False), port=port):
            pass


def test_the_server_is_gone_after_its_block() -> None:
    """Nothing listens any more."""
    with serving(SimulatorSettings(clips=False)) as url:
        assert httpx.get(f"{url}/v2/models").status_code == 200
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/v2/models")
