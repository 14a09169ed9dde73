"""Where keys stand in a TOML 1.0 text."""

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from softswitch.services.key_lines import KeyPath, key_lines, line_of


def test_tables_and_their_keys() -> None:
    lines = key_lines('# top\n\n[queues.support]   # a comment with [brackets] = x\nwrap_up = 15\n"ring" = 2\n')
    assert lines[("queues",)] == lines["queues", "support"] == 3
    assert lines["queues", "support", "wrap_up"] == 4
    assert lines["queues", "support", "ring"] == 5


def test_arrays_of_tables_are_counted() -> None:
    lines = key_lines(
        "[[routes]]\nto = 1\n[[routes]]\nto = 2\n[routes.more]\nx = 1\n[[routes]]\n[[routes.sub]]\ny = 1\n"
    )
    assert lines["routes", 0] == 1
    assert lines["routes", 0, "to"] == 2
    assert lines["routes", 1, "to"] == 4
    assert lines["routes", 1, "more", "x"] == 6
    assert lines["routes", 2] == 7
    assert lines["routes", 2, "sub", 0, "y"] == 9


def test_dotted_and_quoted_keys() -> None:
    lines = key_lines('a.b.c = 1\na . "b.x" = 2\n\'lit # eral\' = 3\n"es\\"c\\u0041" = 4\n')
    assert lines["a", "b", "c"] == 1
    assert lines["a", "b.x"] == 2
    assert lines[("lit # eral",)] == 3
    assert lines[('es"cA',)] == 4


def test_arrays_over_several_lines() -> None:
    lines = key_lines('listen = [\n  "a", # [ not this ]\n\n  "b,]", { x = 1, y = [ 2,\n 3 ] },\n]\nnext = 1\n')
    assert lines["listen", 0] == 2
    assert lines["listen", 1] == lines["listen", 2, "x"] == 4
    assert lines["listen", 2, "y", 1] == 5
    assert lines[("next",)] == 7


def test_strings_that_look_like_keys() -> None:
    text = (
        'a = """\n[x]\nb = 1 \\"""\n"""\n' + "c = '''\n# '' ]\n'''\n"
        'd = """"q""""\ne = ""\nf = \'\'\ng = 1979-05-27T07:32:00Z # h\n'
    )
    data = tomllib.loads(text)
    lines = key_lines(text)
    assert [lines[(key,)] for key in data] == [1, 5, 8, 9, 10, 11]
    assert set(lines) == {(key,) for key in data}


def test_a_table_named_after_its_child_stands_where_it_is_written() -> None:
    assert key_lines("[a.b]\n[a]\nx = 1\n")[("a",)] == 2


def test_what_the_file_does_not_have_is_placed_at_the_thing_around_it() -> None:
    lines = key_lines("\n[phones.1001]\nname = 1\n")
    assert line_of(lines, ("phones", "1001", "password")) == 2
    assert line_of(lines, ("sip", "domain")) == 0


KEYS = st.one_of(
    st.from_regex(r"[A-Za-z0-9_-]{1,6}", fullmatch=True), st.sampled_from(["a.b", 'q"uote', "# hash", "sp ace", "]=["])
)
SCALARS = st.one_of(
    st.integers(-9, 9),
    st.booleans(),
    st.sampled_from(["x", "a = 1", "[t]", "new\nline", 'three """ quotes', "back\\slash", "it's", "#", '"', ""]),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=6
)


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def written(value: object, breaks: bool) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            multi_line = breaks and "\n" in value
            return f'"""\n{quoted(value)[1:-1].replace(chr(92) + "n", chr(10))}"""' if multi_line else quoted(value)
        case list():
            space = "\n  # [comment] = 1\n" if breaks else " "
            return "[" + space + ("," + space).join(written(item, breaks) for item in value) + space + "]"
        case dict():
            return "{ " + ", ".join(f"{quoted(key)} = {written(item, False)}" for key, item in value.items()) + " }"
    return str(value)


def paths(value: object, path: KeyPath) -> list[KeyPath]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, inner in items for found in [(*path, key), *paths(inner, (*path, key))]]


@given(st.dictionaries(KEYS, st.dictionaries(KEYS, VALUES, max_size=3), max_size=4), st.booleans())
def test_every_key_that_tomllib_finds_has_its_line(data: dict[str, dict[str, object]], breaks: bool) -> None:
    """The scanner and tomllib agree on what a text holds, and each key stands on the line that it is said to."""
    text = ""
    for table, entries in data.items():
        text += f"\n[{quoted(table)}] # [no] = 1\n" + "".join(
            f"{quoted(key)}={written(value, breaks)}#\n" for key, value in entries.items()
        )
    assert tomllib.loads(text) == data
    lines = key_lines(text)
    assert set(lines) == set(paths(data, ()))
    source = text.split("\n")
    for path, line in lines.items():
        if isinstance(path[-1], str):
            assert quoted(path[-1]) in source[line - 1]
