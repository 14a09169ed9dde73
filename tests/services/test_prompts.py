"""Finding prompts, and that what is shipped is whole."""

import wave
from pathlib import Path

import pytest

from softswitch.kernel.errors import LocalError
from softswitch.services import shipped
from softswitch.services.prompts import PromptLibrary, find_music, find_prompt, prompt_names
from softswitch.services.shipped import data_path

SHIPPED = data_path("prompts")


def sound(path: Path) -> Path:
    """A tenth of a second of silence."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(1600))
    return path


def test_a_shipped_prompt_is_found_in_each_language(tmp_path: Path) -> None:
    for language in ("en", "ru", "uk", "lt"):
        assert find_prompt("welcome", language, tmp_path) == SHIPPED / language / "welcome.flac"


def test_the_users_own_hides_the_shipped_one(tmp_path: Path) -> None:
    own = sound(tmp_path / "prompts" / "ru" / "welcome.wav")
    assert find_prompt("welcome", "ru", tmp_path) == own
    assert find_prompt("welcome", "en", tmp_path) == SHIPPED / "en" / "welcome.flac"
    assert ("ru", "welcome", own) in prompt_names(tmp_path)
    assert ("ru", "welcome", SHIPPED / "ru" / "welcome.flac") not in prompt_names(tmp_path)


def test_a_missing_language_falls_back(tmp_path: Path) -> None:
    assert find_prompt("welcome", "pl", tmp_path) == SHIPPED / "en" / "welcome.flac"
    assert find_prompt("welcome", "ru-RU", tmp_path) == SHIPPED / "ru" / "welcome.flac"


def test_a_name_may_fix_its_language(tmp_path: Path) -> None:
    assert find_prompt("choose-language@lt", "en", tmp_path) == SHIPPED / "lt" / "choose-language.flac"


@pytest.mark.parametrize("where", ["prompts/hello.wav", "hello.wav", "greetings/hello.wav"])
def test_names_with_a_slash_or_an_ending_are_files(tmp_path: Path, where: str) -> None:
    path = sound(tmp_path / where)
    assert find_prompt(where.removeprefix("prompts/"), "en", tmp_path) == path
    assert find_prompt(str(path), "en", tmp_path) == path


def test_a_missing_prompt_is_named_with_a_suggestion(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match=r'no prompt "welcom" in ru or en; did you mean "welcome"\?'):
        find_prompt("welcom", "ru", tmp_path)
    with pytest.raises(LocalError, match=r'no sound file "gone/x\.wav"'):
        find_prompt("gone/x.wav", "ru", tmp_path)
    for find in (lambda: find_music("jazz", tmp_path), lambda: find_prompt("music/jazz", "en", tmp_path)):
        with pytest.raises(LocalError, match='no music "jazz"'):
            find()


@pytest.mark.parametrize("name", ["", "..", "..@..", "welcome@..", "@", ".hidden"])
def test_odd_names_find_nothing_outside(tmp_path: Path, name: str) -> None:
    sound(tmp_path / "prompts" / "en" / ".hidden.wav")
    if name == "welcome@..":  # no language of that name: English
        assert find_prompt(name, "ru", tmp_path) == SHIPPED / "en" / "welcome.flac"
    else:
        with pytest.raises(LocalError):
            find_prompt(name, "ru", tmp_path)


def test_music_is_found_the_same_way(tmp_path: Path) -> None:
    assert find_music("hold", tmp_path) == SHIPPED / "music" / "hold.flac"
    assert find_prompt("music/hold", "ru", tmp_path) == SHIPPED / "music" / "hold.flac"
    own = sound(tmp_path / "prompts" / "music" / "hold.wav")
    assert find_music("hold", tmp_path) == own
    assert find_prompt("music/hold", "ru", tmp_path) == own
    assert find_prompt("music/hold.wav", "ru", tmp_path) == own
    assert find_music(str(own), tmp_path) == own


def test_the_library_remembers_until_told_to_forget(tmp_path: Path) -> None:
    library = PromptLibrary(tmp_path)
    before = library.prompt("welcome", "ru")
    own = sound(tmp_path / "prompts" / "ru" / "welcome.wav")
    assert library.prompt("welcome", "ru") == before
    library.forget()
    assert library.prompt("welcome", "ru") == str(own)
    assert library.music("hold") == str(SHIPPED / "music" / "hold.flac")


def test_the_installed_package_is_looked_at_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "softswitch"
    monkeypatch.setattr(shipped.softswitch, "__file__", str(package / "__init__.py"))
    (tmp_path / "prompts").mkdir()
    assert data_path("prompts") == tmp_path / "prompts"
    (package / "prompts").mkdir(parents=True)
    assert data_path("prompts") == package / "prompts"
    with pytest.raises(LocalError, match=r'"config\.example\.toml" is missing'):
        data_path("config.example.toml")
