"""The base URL of each provider in a run: its own, one from the environment, or the simulator."""

from collections.abc import Iterable, Mapping
from urllib.parse import urljoin, urlsplit

from kbatch.errors import Invalid, Problem, Refused
from kbatch.providers.base import Provider
from kbatch.providers.http.urls import check_base_url, is_loopback
from kbatch.providers.registry import PACKAGED, provider_of
from kbatch.receipts.join import records_of
from kbatch.receipts.receipt import Receipt
from kbatch.receipts.simulated_origin import ORIGIN


def base_url_of(provider: Provider, environment: Mapping[str, str]) -> str:
    """Return the base URL of the provider's API; Invalid for a variable that holds no base URL."""
    url = environment.get(provider.url_variable, "").strip()
    if not url:
        return provider.base_url
    problem = check_base_url(url)
    if problem is not None:
        raise Invalid(
            [Problem(code=problem.code, message=f"{provider.url_variable}: {problem.message}", hint=problem.hint)]
        )
    return url


def simulated_url(provider: Provider) -> str:
    """Return where the simulator in this process plays a provider: one that a package brings below its name."""
    return provider.base_url if provider.name in PACKAGED else urljoin(provider.base_url, f"/{provider.name}")


def origin_of(provider: Provider, environment: Mapping[str, str], *, simulated: bool = False) -> str:
    """Return the `origin` that receipts record: `https://host`, `loopback` or `simulator`; Invalid for a bad URL."""
    if simulated:
        return ORIGIN
    parts = urlsplit(base_url_of(provider, environment))
    return "loopback" if is_loopback(parts.hostname or "") else f"https://{parts.netloc.lower()}"


def check_origins(
    renders: Mapping[str, Receipt], names: Iterable[str], environment: Mapping[str, str], *, simulated: bool = False
) -> None:
    """Raise Refused when a run would mix receipts of two origins of one provider in one lockfile."""
    origins = {name: origin_of(provider_of(name), environment, simulated=simulated) for name in names}
    for record in (record for receipt in renders.values() for record in records_of(receipt)):
        origin = origins.get(record.provider)
        if origin is not None and record.origin and record.origin != origin:
            message = (
                f"the lockfile has receipts of {record.provider} from {record.origin}, this run would use {origin}"
            )
            hint = "`--lockfile FILE` gives this origin a lockfile of its own"
            raise Refused("mixed-origins", message, hint=hint)
