"""The tools of the MCP server: what each takes, and the words of the kbatch command that it is.

Rules it keeps: an argument that is not listed is refused; a path stays inside the root, links resolved; every value is
one word of the command line and never an option. So no tool can name a base URL, an environment, a folder of cards or
an output, and none can consent, trust a price or raise a ceiling.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from msgspec import Struct

from kbatch.errors import Refused

Arguments = Mapping[str, Any]

_WORD = {"type": "string", "minLength": 1, "maxLength": 500, "pattern": r"^[^\u0000-\u001f]*$"}
_WORDS = {"type": "array", "items": _WORD, "maxItems": 50}
_MANIFEST = {**_WORD, "pattern": r"^[^\u0000-\u001f]+\.ya?ml$", "description": "A manifest, relative to the root"}
_PROFILE = {"type": "string", "pattern": r"^[a-z0-9._-]{1,100}$", "description": "A profile of the manifest"}
_CREDITS = {"type": "string", "pattern": r"^([a-z0-9-]{1,40}=)?[0-9]{1,18}$", "description": "N, or PROVIDER=N"}
_KEY = {"type": "string", "pattern": r"^[a-z]+(:[^\u0000-\u001f,]{1,100})?$"}

_OF_MANIFEST = {"manifest": _MANIFEST, "profile": _PROFILE}
_CHOICE = {
    "only": {**_WORDS, "description": "Only these jobs: addresses with `*` and `?`, or a shot's id"},
    "exclude": {**_WORDS, "description": "Not these jobs"},
    "labels": {**_WORDS, "description": "Only jobs with this label or axis value, as K=V"},
}


class Tool(Struct, frozen=True, kw_only=True):
    """One tool: `words` makes the command line after `kbatch` from checked arguments and the root."""

    name: str
    description: str
    schema: Mapping[str, Any]
    words: Callable[[Arguments, Path], list[str]]
    spends: bool = False


def words_of(tool: Tool, arguments: Arguments, root: Path) -> list[str]:
    """Return the command line of a call; Refused says which argument is not as it must be."""
    fault = next(Draft202012Validator(tool.schema).iter_errors(arguments), None)
    if fault is not None:
        where = ".".join(map(str, fault.absolute_path))
        raise Refused("bad-argument", f"`{where}`: {fault.message[:300]}" if where else fault.message[:300])
    return tool.words(arguments, root)


def inside(root: Path, name: str, *, folder: bool = False) -> str:
    """Return the real path of a file below the root, or of a folder; Refused for all others, hidden ones too."""
    real = root.resolve()
    path = (real / name).resolve()
    if not path.is_relative_to(real) or any(part.startswith(".") for part in path.relative_to(real).parts):
        raise Refused("outside-root", f"`{name}` is not inside the folder that this server was started for")
    if not (path.is_file() or (folder and path.is_dir())):
        raise Refused("no-such-file", f"`{name}` does not exist")
    return str(path)


def _schema(properties: Mapping[str, Any], *required: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
    }


def _chosen(arguments: Arguments) -> list[str]:
    """Return the flags of profile and choice; `--flag=value` is one word, so that no value can be an option."""
    flags = [f"--profile={arguments['profile']}"] if "profile" in arguments else []
    for name, flag in (("only", "--only"), ("exclude", "--exclude"), ("labels", "--label")):
        flags += [f"{flag}={value}" for value in arguments.get(name, ())]
    return flags


def _of_manifest(command: str, *fixed: str, then: tuple[str, ...] = ()) -> Callable[[Arguments, Path], list[str]]:
    def words(arguments: Arguments, root: Path) -> list[str]:
        limits = [f"--max-credits={value}" for value in arguments.get("max_credits", ())]
        after = [arguments[name] for name in then]
        return [command, *fixed, *_chosen(arguments), *limits, "--", inside(root, arguments["manifest"]), *after]

    return words


def _check(arguments: Arguments, root: Path) -> list[str]:
    return ["check", "--format=json", "--", inside(root, arguments["manifest"])]


def _plan(arguments: Arguments, root: Path) -> list[str]:
    form = arguments.get("format", "text")
    return _of_manifest("plan", f"--format={form}")(arguments, root)


def _spend(arguments: Arguments, root: Path) -> list[str]:
    by = [f"--by={','.join(arguments['by'])}"] if arguments.get("by") else []
    dates = [f"--{name}={arguments[name]}" for name in ("since", "until") if name in arguments]
    paths = [inside(root, name, folder=True) for name in arguments.get("paths", ["."])]
    return ["spend", "--format=json", *by, *dates, "--", *paths]


_DAY = {"type": "string", "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "description": "A day in UTC"}
_MAXIMUM = {"type": "array", "items": _CREDITS, "minItems": 1, "maxItems": 10, "description": "What it may cost"}

READING = (
    Tool(
        name="check",
        description="Find everything that is wrong with a manifest, with file, line and column. Offline.",
        schema=_schema({"manifest": _MANIFEST}, "manifest"),
        words=_check,
    ),
    Tool(
        name="plan",
        description="The priced plan: what a manifest would buy, reuse and fetch, and why. Buys nothing.",
        schema=_schema({**_OF_MANIFEST, **_CHOICE, "format": {"enum": ["text", "json"]}}, "manifest"),
        words=_plan,
    ),
    Tool(
        name="explain",
        description="One job: its request, where each value comes from, its price and the reason of its action.",
        schema=_schema({**_OF_MANIFEST, "address": _WORD}, "manifest", "address"),
        words=_of_manifest("explain", "--format=json", then=("address",)),
    ),
    Tool(
        name="status",
        description="What is bought, running, owed, unknown and claimed back, from the records alone.",
        schema=_schema(_OF_MANIFEST, "manifest"),
        words=_of_manifest("status", "--format=json"),
    ),
    Tool(
        name="spend",
        description="What lockfiles say was spent, by month, label:KEY, axis:KEY, actor, model, campaign, shot …",
        schema=_schema({"paths": _WORDS, "by": {"type": "array", "items": _KEY}, "since": _DAY, "until": _DAY}),
        words=_spend,
    ),
    Tool(
        name="fit",
        description="The edits of least loss that make a plan cost at most so much. Changes nothing.",
        schema=_schema({**_OF_MANIFEST, **_CHOICE, "max_credits": _MAXIMUM}, "manifest", "max_credits"),
        words=_of_manifest("fit", "--format=json"),
    ),
)
"""Tools that read; none sends a request or writes a file."""


class RunPolicy(Struct, frozen=True, kw_only=True):
    """Whose approvals count for a run that an agent starts: signers, or a reviewed revision; who may approve what.

    All come from the command line or the environment of the person who starts the server.
    """

    allowed_signers: str | None = None
    approved_from: str | None = None
    approval_policy: str | None = None

    @property
    def proves(self) -> bool:
        """Whether a proof is asked for that this user's own commands cannot make: the agent may have a shell."""
        return self.allowed_signers is not None or self.approved_from is not None

    @property
    def flags(self) -> list[str]:
        """The flags of `kbatch run`; signers mean that nothing unsigned counts."""
        flags = ["--require-signed", f"--allowed-signers={self.allowed_signers}"] if self.allowed_signers else []
        flags += [f"--approved-from={self.approved_from}"] if self.approved_from else []
        return flags + ([f"--approval-policy={self.approval_policy}"] if self.approval_policy else [])


def running(policy: RunPolicy) -> Tool:
    """Return the tool that buys what a recorded approval covers, under a policy that the agent cannot choose."""

    def words(arguments: Arguments, root: Path) -> list[str]:
        approved = ["--approved", *policy.flags, "--format=json"]
        return ["run", *approved, *_chosen(arguments), "--", inside(root, arguments["manifest"])]

    return Tool(
        name="run",
        description="Buy what a person's recorded approval covers, and nothing else; wait for the clips.",
        schema=_schema(_OF_MANIFEST, "manifest"),
        words=words,
        spends=True,
    )
