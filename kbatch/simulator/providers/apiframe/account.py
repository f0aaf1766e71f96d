"""`GET /v2/me`: user, team and key of the caller."""

from typing import Any

from kbatch.simulator.exchange import APIFRAME, Reply, SimulatedRequest, reply_json
from kbatch.simulator.faults.selection import FaultTarget, draw_job_faults
from kbatch.simulator.providers.accounts import Person
from kbatch.simulator.providers.apiframe.answers import caller
from kbatch.simulator.providers.purchase import event_of
from kbatch.simulator.state import World, available

MAX_CONCURRENT_SHOWN = 10


def show_account(world: World, call: SimulatedRequest, now: float) -> Reply:
    """Show the account: the balance is `team.credits`; of the key only its name and how it begins are shown."""
    person = caller(world, call)
    effects = draw_job_faults(
        world.terms.faults, world.fault_counts, event_of(APIFRAME, FaultTarget.ACCOUNT, "account", person.name)
    )
    user = {"id": person.user, "email": f"{person.user[:8]}@simulated.invalid", "role": person.role}
    key = {"id": person.key_id, "name": person.key_name, "prefix": person.prefix}
    team = None if "no-team" in effects else _team(world, person)
    return reply_json(200, {"user": user, "team": team, "apiKey": None if "no-key" in effects else key})


def _team(world: World, person: Person) -> dict[str, Any]:
    return {
        "id": person.team,
        "name": person.team_name,
        "credits": available(world, APIFRAME, person.purse),
        "plan": "simulated",
        "customerId": f"cus_{person.team[:8]}" if person.purse else None,
        "maxConcurrentJobs": world.terms.concurrency or MAX_CONCURRENT_SHOWN,
    }
