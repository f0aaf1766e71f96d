"""What a user's environment has wrong is said by its name before anything is sent; it is never a bug of kbatch."""

import pytest

from kbatch.providers.http.tls import certificates
from tests.campaign_rig import Rig

BODY = "shots: [{id: one, model: kling-2.5-turbo-pro, prompt: a}]\n"
PROXIES = {
    "no-number": "http://user:hidden@127.0.0.1:null",
    "number-and-more": "127.0.0.1:6153export",
    "half-a-bracket": "http://[::1",
    "port-too-large": "http://127.0.0.1:99999",
    "no-host": "http://:8080",
    "line-break": "http://127.0.0.1:80\n",
    "socks": "socks5://127.0.0.1:1",
    "nonsense": "http://\udc80",
}


@pytest.mark.parametrize("proxy", PROXIES.values(), ids=PROXIES)
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_proxy_that_is_none(rig: Rig, monkeypatch: pytest.MonkeyPatch, proxy: str, variable: str) -> None:
    """The variable is named and its value is not, since it may hold a password; exit 2, also where doctor looks."""
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, proxy)
    monkeypatch.setenv("KBATCH_APIFRAME_URL", "https://kbatch-test.invalid")
    monkeypatch.setenv("APIFRAME_API_KEY", "x")
    rig.write(BODY)
    said = rig.run()
    assert (said.code, f"error[proxy-url]: {variable} " in said.err) == (2, True), said.err
    assert "hidden" not in said.err


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSLKEYLOGFILE"])
def test_certificates_that_cannot_be_read(rig: Rig, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """The variable and the file that it names are in the line; exit 2, nothing sent."""
    monkeypatch.setenv(variable, str(rig.folder / "none" / "ca.pem"))
    monkeypatch.setenv("KBATCH_APIFRAME_URL", "https://kbatch-test.invalid")
    certificates.cache_clear()
    rig.write(BODY)
    said = rig.run()
    certificates.cache_clear()
    assert (said.code, f"{variable} is `{rig.folder / 'none' / 'ca.pem'}`" in said.err) == (2, True), said.err
