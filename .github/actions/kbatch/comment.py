"""Puts a page into the comment of a pull or merge request that this script wrote before, else into a new one.

`comment.py PAGE NUMBER`. The page's first line is its marker. Only a comment that begins with the marker and whose
author is the same as ours is changed: never a person's, and never another bot's. A token that may not write, as in a
pull request from a fork, is said and is no failure. The token is read from `GH_TOKEN` or `GITLAB_TOKEN`.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

TRIES = 4
"""How often a server that fails is asked; each try looks for the comment anew, so that none is written twice."""
_READ_ONLY = (401, 403, 404)
_MOST_PAGES = 50


class Stay(HTTPRedirectHandler):
    """Follows no redirect: the token would go along."""

    def redirect_request(self, *_: Any) -> None:
        """Refuse."""


@dataclass(frozen=True, kw_only=True)
class Forge:
    """Where comments are kept: the list's URL, the URL of one comment, the method that changes one, and who we are."""

    comments: str
    one: str
    change: str
    headers: Mapping[str, str]
    author: str

    def ask(self, method: str, url: str, body: str | None = None) -> tuple[Any, Mapping[str, str]]:
        """Return an answer's JSON and its headers."""
        data = None if body is None else json.dumps({"body": body}).encode()
        kind = {"Content-Type": "application/json", "User-Agent": "kbatch"}
        request = Request(url, data=data, method=method, headers={**kind, **self.headers})
        with build_opener(Stay).open(request, timeout=30) as answer:
            return json.loads(answer.read() or b"null"), dict(answer.headers)

    def all(self) -> Iterator[Any]:
        """Yield every comment, page after page."""
        for page in range(1, _MOST_PAGES):
            found, _ = self.ask("GET", f"{self.comments}?per_page=100&page={page}")
            yield from found
            if len(found) < 100:
                return


def github(number: int, author: str, environment: Mapping[str, str]) -> Forge:
    """Return GitHub's comments of a pull request; the author is that of `GITHUB_TOKEN` unless named."""
    api = f"{environment['GITHUB_API_URL']}/repos/{environment['GITHUB_REPOSITORY']}/issues"
    headers = {"Authorization": f"Bearer {environment['GH_TOKEN']}", "Accept": "application/vnd.github+json"}
    who = author or "github-actions[bot]"
    return Forge(
        comments=f"{api}/{number}/comments", one=f"{api}/comments", change="PATCH", headers=headers, author=who
    )


def gitlab(number: int, author: str, environment: Mapping[str, str]) -> Forge:
    """Return GitLab's notes of a merge request; the author is the token's user unless named."""
    api = environment["CI_API_V4_URL"]
    notes = f"{api}/projects/{environment['CI_PROJECT_ID']}/merge_requests/{number}/notes"
    forge = Forge(
        comments=notes, one=notes, change="PUT", headers={"PRIVATE-TOKEN": environment["GITLAB_TOKEN"]}, author=author
    )
    if author:
        return forge
    user, _ = forge.ask("GET", f"{api}/user")
    return Forge(**{**vars(forge), "author": str(user["username"])})


def write(forge: Forge, page: str) -> str:
    """Change our comment or write a new one; return which."""
    marker = page.partition("\n")[0].strip()
    mine = [each["id"] for each in forge.all() if _is_ours(each, marker, forge.author)]
    if mine:
        try:
            forge.ask(forge.change, f"{forge.one}/{mine[0]}", page)
        except HTTPError as error:
            if error.code not in _READ_ONLY:
                raise
        else:
            return "the comment is up to date"
    forge.ask("POST", forge.comments, page)
    return "the comment is written"


def _is_ours(comment: Any, marker: str, author: str) -> bool:
    by = comment.get("user") or comment.get("author") or {}
    name = by.get("login") or by.get("username")
    return name == author and str(comment.get("body") or "").partition("\n")[0].strip() == marker


def main(environment: Mapping[str, str] = os.environ) -> int:
    """Write the comment; exit code 1 when the forge fails, 0 when it does not let us."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path)
    parser.add_argument("number", type=int, help="of the pull or merge request")
    parser.add_argument("--author", default="", help="who writes, where that is not the token's own user")
    parser.add_argument("--pause", type=float, default=5.0, help="seconds before a failing server is asked again")
    options = parser.parse_args()
    page = options.page.read_text(encoding="utf-8")
    if not page.startswith("<!-- kbatch:"):
        print("::error title=kbatch comment::the page has no marker in its first line", file=sys.stderr)
        return 1
    where = gitlab if "CI_API_V4_URL" in environment else github
    if not environment.get("GITLAB_TOKEN" if where is gitlab else "GH_TOKEN"):
        print("::notice title=kbatch comment::there is no token, so the plan is in this job's page only")
        return 0
    for attempt in range(1, TRIES + 1):
        try:
            print(write(where(options.number, options.author, environment), page))
            return 0
        except HTTPError as error:
            if error.code in _READ_ONLY:
                print(f"::notice title=kbatch comment::this token may not comment ({error.code}), as in a pull "
                      "request from a fork: the plan is in this job's page")  # fmt: skip
                return 0
            why = f"HTTP {error.code}"
        except (URLError, OSError, ValueError) as error:
            why = type(error).__name__
        if attempt < TRIES:
            time.sleep(options.pause * attempt)
    print(f"::error title=kbatch comment::the comment could not be written: {why}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
