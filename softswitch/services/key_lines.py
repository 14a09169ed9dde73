"""Where each key of a TOML file stands (TOML 1.0).

`tomllib` forgets lines. This scanner walks a text that `tomllib` has accepted, so it need not find faults itself.
Paths are tuples of keys and list indexes: `("queues", "support", "agents", 0)`.
"""

import re
import tomllib
from bisect import bisect_right
from typing import Final, TypeAlias

KeyPath: TypeAlias = tuple[str | int, ...]

BARE: Final = re.compile(r"[A-Za-z0-9_\-]+")
_BLANK: Final = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)+")
_SPACE: Final = re.compile(r"[ \t]*")
_SCALAR: Final = re.compile(r"[^,\]}\n#]+")
# The closing quotes of a multi-line string may follow one or two quotes that belong to it.
_STRING: Final = re.compile(
    r'"""(?:[^\\]|\\.)*?"""(?!")|\'\'\'.*?\'\'\'(?!\')|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'',
    re.DOTALL,
)


def key_lines(text: str) -> dict[KeyPath, int]:
    """Line (from 1) of every key, table and array item of `text`, which must be valid TOML."""
    return _Scanner(text).scan()


def line_of(lines: dict[KeyPath, int], path: KeyPath) -> int:
    """The line of `path`, or of the nearest thing around it that the file does have; 0 if none."""
    while path:
        if (line := lines.get(path)) is not None:
            return line
        path = path[:-1]
    return 0


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._lines: dict[KeyPath, int] = {}
        self._tables: dict[KeyPath, int] = {}  # arrays of tables: how many items so far

    def scan(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        self._blank()
        while self._at < len(self._text):
            if self._text.startswith("[[", self._at):
                table = self._header(2)
            elif self._text[self._at] == "[":
                table = self._header(1)
            else:
                self._pair(table)
            self._blank()
        return self._lines

    def _header(self, brackets: int) -> KeyPath:
        line = self._line()
        self._at += brackets
        path: KeyPath = ()
        keys = self._key()
        for number, (key, _) in enumerate(keys, 1):
            path = (*path, key)
            self._lines.setdefault(path, line)
            if number == len(keys) and brackets == 2:
                self._tables[path] = self._tables.get(path, 0) + 1
            if count := self._tables.get(path):
                path = (*path, count - 1)
                self._lines.setdefault(path, line)
        self._lines[path] = line  # [a] after [a.b] is where a stands
        self._at += brackets
        return path

    def _pair(self, table: KeyPath) -> None:
        path = table
        for key, line in self._key():
            path = (*path, key)
            self._lines.setdefault(path, line)
        self._at += 1  # the equals sign
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        self._space()
        opening = self._text[self._at]
        if opening in "\"'":
            self._string()
        elif opening == "[":
            self._array(path)
        elif opening == "{":
            self._inline_table(path)
        elif (scalar := _SCALAR.match(self._text, self._at)) is not None:
            self._at = scalar.end()

    def _array(self, path: KeyPath) -> None:
        self._at += 1
        index = 0
        while True:
            self._blank()
            if self._text[self._at] == "]":
                break
            self._lines[(*path, index)] = self._line()
            self._value((*path, index))
            index += 1
            self._comma()
        self._at += 1

    def _inline_table(self, path: KeyPath) -> None:
        self._at += 1
        while True:
            self._blank()
            if self._text[self._at] == "}":
                break
            self._pair(path)
            self._comma()
        self._at += 1

    def _key(self) -> list[tuple[str, int]]:
        """A dotted key, with the line of each part; stops before `=` or `]`."""
        parts = []
        while True:
            self._space()
            line = self._line()
            if (bare := BARE.match(self._text, self._at)) is not None:
                self._at = bare.end()
                parts.append((bare.group(), line))
            else:
                parts.append((str(tomllib.loads(f"key = {self._string()}")["key"]), line))
            self._space()
            if self._text[self._at] != ".":
                return parts
            self._at += 1

    def _string(self) -> str:
        match = _STRING.match(self._text, self._at)
        if match is None:
            raise ValueError(f"line {self._line()}: not a TOML string")
        self._at = match.end()
        return match.group()

    def _comma(self) -> None:
        self._blank()
        if self._text[self._at] == ",":
            self._at += 1

    def _blank(self) -> None:
        if (match := _BLANK.match(self._text, self._at)) is not None:
            self._at = match.end()

    def _space(self) -> None:
        if (match := _SPACE.match(self._text, self._at)) is not None:
            self._at = match.end()

    def _line(self) -> int:
        return bisect_right(self._starts, self._at)
