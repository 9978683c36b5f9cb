"""The text of a signature: offgil's own words, "f64(f64,i32,ptr)", or C, "double (double, int, void *)".

C texts are what Cython and SciPy write beside the functions that they export, and what a header says. Out of
either comes a letter for the result and for each argument, as of ctypes, and what each pointer takes.
"""

from __future__ import annotations

import ctypes
import re
from typing import Any, NamedTuple

from offgil._core import address_passed

_WORDS = {
    "i8": "b", "u8": "B", "i16": "h", "u16": "H", "i32": "i", "u32": "I", "i64": "l", "u64": "L",
    "f32": "f", "f64": "d", "void": "v",
}  # fmt: skip
# The names that come from typedefs; those without "_t" are NumPy's and ctypes' own.
_TYPEDEFS = {
    "_Bool": "?", "bool": "?", "bint": "?",
    "byte": "b", "ubyte": "B", "ushort": "H", "uint": "I", "ulong": "L", "longlong": "l", "ulonglong": "L",
    "size_t": "L", "ssize_t": "l", "Py_ssize_t": "l", "Py_hash_t": "l", "ptrdiff_t": "l",
    "intptr_t": "l", "uintptr_t": "L", "intmax_t": "l", "uintmax_t": "L", "intp": "l", "uintp": "L",
    "off_t": "l", "time_t": "l", "clock_t": "l", "pid_t": "i", "uid_t": "I", "gid_t": "I", "mode_t": "I",
    "socklen_t": "I", "wchar_t": "i", "wint_t": "I",
    "float": "f", "double": "d", "float32": "f", "float64": "d",
    "int8": "b", "int16": "h", "int32": "i", "int64": "l",
    "uint8": "B", "uint16": "H", "uint32": "I", "uint64": "L",
}  # fmt: skip
_QUALIFIERS = frozenset(
    ("const", "volatile", "restrict", "__restrict", "__restrict__", "register", "static", "inline", "extern")
)
_INTEGER_WORDS = frozenset(("signed", "unsigned", "char", "short", "int", "long"))
_SIZES = {
    "b": 1, "B": 1, "c": 1, "?": 1, "h": 2, "H": 2, "i": 4, "I": 4, "f": 4, "l": 8, "L": 8, "d": 8,
}  # fmt: skip
_TOKEN = re.compile(r"\s*(?:(\w+)|(\.\.\.|[*&]|\[\s*\d*\s*\]))")
# Python objects, under the names that CPython, NumPy and Cython have for them.
_OBJECT = re.compile(r"Py\w*Object|__pyx_obj_\w+|object")
_NUMPY = re.compile(r"(?:__pyx_t_\d+numpy_|npy_|c_)(\w+?)(?:_t)?")


class Pointer:
    """What a pointer takes. `size` is that of an item, 0 where any will do."""

    __slots__ = ("const", "floating", "size", "takes_bytes")

    def __init__(
        self, size: int = 0, floating: bool = False, const: bool = False, takes_bytes: bool = True
    ) -> None:
        self.size = size
        self.floating = floating
        self.const = const
        self.takes_bytes = takes_bytes and size <= 1

    def address(self, value: Any, keep: list[Any]) -> int:
        """Where data of ctypes or cffi lies. What must live is put into `keep`.

        Raises TypeError for anything else, and for other items than the pointer's.
        """
        if type(value).__module__ == "_cffi_backend":
            from offgil._cffi_functions import address_of_data, item_of

            self._check(item_of(value))
            return address_of_data(value, keep)
        if isinstance(value, str):  # ctypes would make a new text of wide characters
            raise TypeError("str has no address")
        try:
            converted: Any = ctypes.c_void_p.from_param(value)
            address = address_passed(value, converted)
        except (TypeError, ctypes.ArgumentError):
            raise TypeError(f"{type(value).__name__} has no address") from None
        self._check(_item_of(value))
        keep.append(converted)
        return address

    def _check(self, item: tuple[int, bool] | None) -> None:
        if self.size > 1 and item is not None and item != (self.size, self.floating):
            kind = "floating-point numbers" if self.floating else "integers"
            raise TypeError(f"data that are {kind} of {self.size} bytes are expected")


def _item_of(value: Any) -> tuple[int, bool] | None:
    """The size of what ctypes' data consist of, and whether that is floating-point; None for no numbers."""
    kind = type(getattr(value, "_obj", value))
    while isinstance(getattr(kind, "_type_", None), type):
        kind = kind._type_
    letter = getattr(kind, "_type_", None)
    if not isinstance(letter, str) or letter in "PzZ":
        return None
    return ctypes.sizeof(kind), letter in "fdg"


class Types(NamedTuple):
    """The types of a function."""

    result: str
    letters: str
    kinds: tuple[Pointer | None, ...]
    hidden: int
    """How many arguments at the end are Cython's own, and 0."""


def parse(text: str) -> Types:
    """The types that the text names.

    Raises ValueError for what is no signature, TypeError for types that no native call can carry.
    """
    opened, closed = _find_arguments(text)
    result, _ = _read(re.sub(r"\(\s*\*\s*\w*\s*\)\s*$", "", text[:opened]), text)
    arguments = _split(text[opened + 1 : closed])
    hidden = 0
    read = []
    for argument in arguments:
        hidden = hidden + 1 if "__pyx_skip_dispatch" in argument else 0
        read.append(_read(argument, text))
    if [letter for letter, _ in read] == ["v"]:
        read = []
    if any(letter == "v" for letter, _ in read):
        raise ValueError(f"an argument of the signature {text!r} is void")
    return Types(result, "".join(letter for letter, _ in read), tuple(kind for _, kind in read), hidden)


def _find_arguments(text: str) -> tuple[int, int]:
    """Where the brackets of the arguments are: the last ones that are in no others."""
    depth, opened, found = 0, -1, (-1, -1)
    for index, sign in enumerate(text):
        if sign == "(":
            if depth == 0:
                opened = index
            depth += 1
        elif sign == ")":
            depth -= 1
            if depth == 0:
                found = (opened, index)
            if depth < 0:
                break
    if depth != 0 or found[0] < 0:
        raise ValueError(f"{text!r} is no signature, such as 'f64(f64,i32,ptr)' or 'double (double, void *)'")
    rest = text[found[1] + 1 :].strip()
    if re.fullmatch(r"(?:\s|;|noexcept|nogil)*", rest) is None:
        raise ValueError(f"{rest!r} is left over at the end of the signature {text!r}")
    return found


def _split(text: str) -> list[str]:
    """The arguments, at the commas that are in no brackets."""
    parts, depth = [""], 0
    for sign in text:
        depth += (sign == "(") - (sign == ")")
        if sign == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    return [] if parts == [""] or not text.strip() else parts


def _tokens(text: str, whole: str) -> list[str]:
    found, place = [], 0
    text = text.strip()
    while place < len(text):
        token = _TOKEN.match(text, place)
        if token is None:
            raise ValueError(f"{text[place:]!r} is no type, in the signature {whole!r}")
        found.append(token[1] or token[2].replace(" ", ""))
        place = token.end()
    return found


def _read(text: str, whole: str) -> tuple[str, Pointer | None]:
    """The letter of one type, which may have a name after it, and for a pointer what it takes."""
    if re.search(r"\(\s*\*", text):  # a pointer to a function
        return "P", Pointer()
    tokens = _tokens(text, whole)
    if "..." in tokens:
        raise TypeError(f"a function of variable arguments can't be called natively: {whole!r}")
    if "&" in tokens:
        raise TypeError(f"a reference can't be carried by a native call: {whole!r}")
    words = [token for token in tokens if re.match(r"\w", token)]
    if any(_OBJECT.fullmatch(word) for word in words):
        raise TypeError(f"a function of Python objects needs the GIL: {whole!r}")
    stars = sum(token[0] in "*[" for token in tokens)
    if tokens == ["ptr"]:
        return "P", Pointer()
    if stars == 0:
        letter = _letter([word for word in words if word not in _QUALIFIERS], whole)
        return ("P", Pointer(1, const=True)) if letter == "z" else (letter, None)
    first = next(index for index, token in enumerate(tokens) if token[0] in "*[")
    before = [token for token in tokens[:first] if token not in _QUALIFIERS]
    item = _item(before, whole) if stars == 1 else "v"
    const = stars == 1 and "const" in tokens[:first]
    return "P", Pointer(_SIZES.get(item, 0), item in "fd", const, takes_bytes=const)


def _item(words: list[str], whole: str) -> str:
    """The letter of what is pointed to; "v" for what is unknown, which any buffer may be."""
    if not words:
        raise ValueError(f"a pointer to nothing is in the signature {whole!r}")
    if len(words) > 1 and words[-1] not in _INTEGER_WORDS and words[-1] not in _TYPEDEFS:
        words = words[:-1]  # the name of an array
    try:
        return _letter(words, whole)
    except (TypeError, ValueError):
        return "v"


def _letter(words: list[str], whole: str) -> str:
    """The letter of a type without a pointer."""
    if not words:
        raise ValueError(f"a type is missing in the signature {whole!r}")
    if words[0] in ("struct", "union"):
        raise TypeError(f"a {words[0]} can't be passed by value: {whole!r}")
    if words[0] == "enum":
        return "i"
    if any("omplex" in word for word in words) or words[:2] == ["long", "double"]:
        raise TypeError(f"{' '.join(words)} can't be carried by a native call: {whole!r}")
    spelt: list[str] = []
    for word in words:
        spelt += ["long", "long"] if word in ("PY_LONG_LONG", "npy_longlong") else [word]
    count = next((index for index, word in enumerate(spelt) if word not in _INTEGER_WORDS), len(spelt))
    if count:
        letter = _integer(spelt[:count], whole)
    else:
        count = 1
        letter = _named(spelt[0], whole)
    if len(spelt) - count > 1:
        raise ValueError(f"{' '.join(words)!r} is no type, in the signature {whole!r}")
    return letter


def _integer(words: list[str], whole: str) -> str:
    """The letter of an integer in C's own words."""
    rest = sorted(word for word in words if word not in ("signed", "unsigned"))
    if "char" in words:
        if rest != ["char"]:
            raise ValueError(f"{' '.join(words)!r} is no type, in the signature {whole!r}")
        return "B" if "unsigned" in words else "b" if "signed" in words else "c"
    longs, shorts = rest.count("long"), rest.count("short")
    if longs > 2 or shorts > 1 or (longs and shorts) or rest.count("int") > 1:
        raise ValueError(f"{' '.join(words)!r} is no type, in the signature {whole!r}")
    letter = "l" if longs else "h" if shorts else "i"
    return letter.upper() if "unsigned" in words else letter


def _named(word: str, whole: str) -> str:
    """The letter of a type with a name."""
    if word == "char_p":
        return "z"
    for name in (word, word.removesuffix("_t")):
        letter = _WORDS.get(name) or _TYPEDEFS.get(name)
        if letter is not None:
            return letter
    numpy = _NUMPY.fullmatch(word)
    if numpy is not None and numpy[1] in _TYPEDEFS:
        return _TYPEDEFS[numpy[1]]
    if numpy is not None and numpy[1] in _INTEGER_WORDS:
        return _integer([numpy[1]], whole)
    raise ValueError(f"the type {word!r} of the signature {whole!r} is unknown")
