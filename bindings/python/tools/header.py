"""Reads the C header: what `generate.py` writes is made of what this module finds.

The C preprocessor removes the conditionals, pycparser reads the declarations that are left, and every integer
macro becomes a constant. A declaration that isn't understood ends the run: nothing is left out in silence.
What the header declares once more with a prefix is not read: a binding has each function once.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import tempfile
from dataclasses import dataclass
from os import environ
from pathlib import Path

from pycparser import c_ast, c_generator, c_parser

Node = c_ast.Node

# Opens the part of the header in which everything stands once more, with the prefix.
TWINS = "/*\n * The same once more, with the prefix"

# What <stddef.h> and <stdint.h> would declare. The real ones hold compiler extensions, so stubs go in.
STANDARD_TYPES = (
    "size_t",
    "ptrdiff_t",
    "intptr_t",
    "uintptr_t",
    *(f"{sign}int{bits}_t" for sign in ("", "u") for bits in (8, 16, 32, 64)),
)


@dataclass(frozen=True)
class Parameter:
    """A parameter of a function or a field of a struct."""

    name: str
    type: Node


@dataclass(frozen=True)
class Function:
    """A function, or the type of a function pointer."""

    name: str
    result: Node
    parameters: tuple[Parameter, ...]


@dataclass(frozen=True)
class Struct:
    """A struct whose fields the caller sees."""

    name: str
    fields: tuple[Parameter, ...]


@dataclass(frozen=True)
class Opaque:
    """A type that is only ever used behind a pointer: a handle."""

    name: str


@dataclass(frozen=True)
class Alias:
    """Another name of a scalar type."""

    name: str
    target: str


@dataclass(frozen=True)
class Api:
    """Everything that the header declares, in its order."""

    constants: dict[str, int]
    types: tuple[Opaque | Alias | Struct | Function, ...]  # a Function here is a function pointer type
    functions: tuple[Function, ...]
    declarations: tuple[str, ...]  # all of the above but the constants, each as one C declaration
    text: str  # the header without its comments


def fail(reason: str) -> SystemExit:
    """The exception that ends the run with `reason`."""
    return SystemExit(f"generate.py: {reason}")


def read_header(path: Path) -> Api:
    """Parses the header at `path`."""
    manual = _manual(path.read_text(encoding="utf-8"))
    text = strip_comments(manual)
    tree = c_parser.CParser().parse(_preprocess(manual), filename=path.name)
    reader = _Reader()
    for node in tree.ext:
        if not (isinstance(node, c_ast.Typedef) and node.name in STANDARD_TYPES):
            reader.read(node)
    types, functions, declarations = map(tuple, (reader.types, reader.functions, reader.declarations))
    return Api(_constants(manual), types, functions, declarations, text)


def _manual(header: str) -> str:
    """The header without its second part."""
    manual, found, _ = header.partition(TWINS)
    return f"{manual}#endif\n" if found else header


def strip_comments(text: str) -> str:
    """The text without comments, trailing blanks and empty lines."""
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.DOTALL)
    text = re.sub(r"//[^\n]*", "", text)
    lines = (line.rstrip() for line in text.splitlines())
    return "\n".join(line for line in lines if line) + "\n"


def _preprocess(header: str, *flags: str) -> str:
    """Runs the C preprocessor over the header's text, with stubs in the place of the standard headers."""
    compiler = shlex.split(environ.get("CC", "cc"))
    with tempfile.TemporaryDirectory() as folder:
        types = "\n".join(f"typedef int {name};" for name in STANDARD_TYPES)
        stub = f"#ifndef STUBS\n#define STUBS\n{types}\n#endif\n"
        (Path(folder) / "stdint.h").write_text(stub, encoding="ascii")
        for name in ("stddef.h", "stdbool.h", "stdarg.h", "stdlib.h"):
            (Path(folder) / name).write_text('#include "stdint.h"\n', encoding="ascii")
        command = [*compiler, "-E", "-P", "-nostdinc", "-undef", "-I", folder, *flags, "-xc", "-"]
        try:
            return subprocess.run(command, input=header, check=True, capture_output=True, text=True).stdout
        except FileNotFoundError:
            raise fail(f"reading the header takes a C compiler, but there is no {compiler[0]!r}") from None
        except subprocess.CalledProcessError as error:
            raise fail(f"the C preprocessor refused the header:\n{error.stderr}") from None


def _constants(header: str) -> dict[str, int]:
    """Every macro of the header with an integer value, in the header's order."""
    macros: dict[str, str] = {}
    for line in _preprocess(header, "-dM").splitlines():
        found = re.match(r"#define (\w+) (.+)", line)  # function-like and empty macros don't match
        if found and found[1] != "STUBS":
            macros[found[1]] = found[2]
    order = re.findall(r"^\s*#\s*define\s+(\w+)", header, flags=re.MULTILINE)
    return {name: _evaluate(macros[name], macros) for name in dict.fromkeys(order) if name in macros}


def _evaluate(text: str, macros: dict[str, str]) -> int:
    """The value of a C integer constant expression."""
    tree = c_parser.CParser().parse(f"enum {{ value = ({text}) }};")
    return _fold(tree.ext[0].type.values.enumerators[0].value, macros)


def _fold(node: Node, macros: dict[str, str]) -> int:
    match node:
        case c_ast.Constant(type=kind, value=value) if "int" in kind:
            return int(value.rstrip("uUlL"), 0)
        case c_ast.ID(name=name) if name in macros:
            return _evaluate(macros[name], macros)
        case c_ast.UnaryOp(op="-", expr=expr):
            return -_fold(expr, macros)
        case c_ast.UnaryOp(op="+", expr=expr):
            return _fold(expr, macros)
        case c_ast.BinaryOp(op="|", left=left, right=right):
            return _fold(left, macros) | _fold(right, macros)
        case c_ast.BinaryOp(op="<<", left=left, right=right):
            return _fold(left, macros) << _fold(right, macros)
    raise fail(f"not an integer constant that this script can evaluate: {to_c(node)}")


class _Reader:
    """Sorts the declarations by what they are."""

    def __init__(self) -> None:
        self.types: list[Opaque | Alias | Struct | Function] = []
        self.functions: list[Function] = []
        self.declarations: list[str] = []

    def read(self, node: Node) -> None:
        self.declarations.append(to_c(node))
        match node:
            case c_ast.Typedef(type=c_ast.TypeDecl(type=c_ast.Struct(decls=None))):
                self.types.append(Opaque(node.name))
            case c_ast.Typedef(type=c_ast.TypeDecl(type=c_ast.Struct(decls=fields))):
                self.types.append(as_struct(node.name, fields))
            case c_ast.Typedef(type=c_ast.TypeDecl(type=c_ast.IdentifierType(names=names))):
                self.types.append(Alias(node.name, " ".join(names)))
            case c_ast.Typedef(type=c_ast.PtrDecl(type=c_ast.FuncDecl() as function)):
                self.types.append(as_function(node.name, function))
            case c_ast.Decl(type=c_ast.FuncDecl() as function):
                self.functions.append(as_function(node.name, function))
            case _:
                raise fail(f"{node.coord}: a declaration that this script doesn't know: {to_c(node)}")


def as_struct(name: str, fields: list[c_ast.Decl]) -> Struct:
    """The fields of a struct declaration."""
    return Struct(name, tuple(Parameter(field.name, field.type) for field in fields))


def as_function(name: str, node: c_ast.FuncDecl) -> Function:
    """The result and the parameters of a function declaration; `(void)` is no parameter."""
    parameters = []
    for position, parameter in enumerate(node.args.params if node.args else ()):
        if isinstance(parameter, c_ast.EllipsisParam):
            raise fail(f"{name}: a variable number of arguments")
        if is_void(parameter.type):
            continue
        parameters.append(Parameter(parameter.name or f"argument{position}", parameter.type))
    return Function(name, node.type, tuple(parameters))


def is_void(node: Node) -> bool:
    """Whether the type is plain `void`."""
    match node:
        case c_ast.TypeDecl(type=c_ast.IdentifierType(names=["void"])):
            return True
    return False


def to_c(node: Node) -> str:
    """The node as C source, on one line unless it is a struct."""
    return c_generator.CGenerator().visit(node)


def dimension(node: c_ast.ArrayDecl) -> int:
    """The length of a C array."""
    if node.dim is None:
        raise fail(f"{node.coord}: an array without a length")
    return _fold(node.dim, {})
