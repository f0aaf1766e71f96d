"""The key of this user: made once, this user's alone, and nothing that a checkout could bring passes for it."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kbatch.errors import Invalid
from kbatch.storage.state_key import find_key, key_path, make_key


def at(folder: Path) -> dict[str, str]:
    """Return the environment of a user whose state lies in a folder."""
    return {"XDG_STATE_HOME": str(folder)}


def test_it_is_made_once_and_for_this_user_alone(tmp_path: Path) -> None:
    """Looking makes none; the first that writes makes it, and everybody later has the same."""
    assert find_key(at(tmp_path)) is None
    assert not list(tmp_path.iterdir())
    made = make_key(at(tmp_path))
    assert (len(made.secret), made.trouble) == (32, "")
    assert find_key(at(tmp_path)) == make_key(at(tmp_path)).secret == made.secret
    assert [path.name for path in (tmp_path / "kbatch").iterdir()] == ["state.key"]
    if os.name != "nt":
        assert (tmp_path / "kbatch" / "state.key").stat().st_mode & 0o777 == 0o600
    assert made.secret.hex() not in repr(made)


def test_of_many_makers_all_have_one_key(tmp_path: Path) -> None:
    """Whoever comes second takes the first one's key."""
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: make_key(at(tmp_path)).secret, range(32)))
    assert len(keys) == 1


def _readable(path: Path) -> None:
    path.chmod(0o644)


def _a_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def _short(path: Path) -> None:
    path.write_bytes(b"short")


def _long(path: Path) -> None:
    path.write_bytes(bytes(33))


def _a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.skipif(os.name == "nt", reason="no such modes, no such links")
@pytest.mark.parametrize("spoil", [_readable, _a_link, _short, _long, _a_folder])
def test_what_is_no_key_is_not_taken_for_one(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    """It proves nothing, it is left as it is, and what is sealed now ends with this process."""
    kept = make_key(at(tmp_path)).secret
    spoil(tmp_path / "kbatch" / "state.key")
    assert find_key(at(tmp_path)) is None
    made = make_key(at(tmp_path))
    assert made.secret != kept
    assert "state.key" in made.trouble
    assert make_key(at(tmp_path)).secret == made.secret


def test_a_given_key_goes_before_the_kept_one(tmp_path: Path) -> None:
    """`KBATCH_STATE_KEY` is used as it is, and nothing is written."""
    given = {**at(tmp_path), "KBATCH_STATE_KEY": " " + "aB" * 32 + "\n"}
    assert find_key(given) == make_key(given).secret == b"\xab" * 32
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["x", "ab" * 31, "g" * 64, "ab" * 31 + "a "], ids=["word", "short", "no-hex", "odd"])
def test_a_given_key_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    """A weak key is refused, and the complaint does not repeat it."""
    with pytest.raises(Invalid, match="64 hexadecimal digits") as error:
        find_key({**at(tmp_path), "KBATCH_STATE_KEY": text})
    assert f"`{text}`" not in str(error.value)


def test_a_relative_state_home_is_no_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative `XDG_STATE_HOME` would lie in whatever project one stands in: it is passed over."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    found = key_path({"XDG_STATE_HOME": "state"})
    assert found is not None
    assert found.is_relative_to(tmp_path)
