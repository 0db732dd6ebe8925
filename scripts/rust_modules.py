"""Which file of a crate uses which other: the module tree of a crate, read without a compiler.

It knows `mod`, `use` and paths in code. It does not know types, so it does not see a method that another file defines.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

IDENT = r"(?:r#)?[A-Za-z_]\w*"
TOKENS = re.compile(
    r"""//[^\n]*
      | (?P<block>/\*)
      | b?r(?P<hashes>\#*)"(?:.|\n)*?"(?P=hashes)
      | [bc]?"(?:\\(?:.|\n)|[^"\\])*"
      | b?'(?:\\(?:u\{[^}]*\}|x..|.)|[^'\\])'
    """,
    re.VERBOSE,
)
TEST_ONLY = re.compile(r"#\s*\[\s*cfg\s*\(\s*(?:all\s*\(\s*)?test\b[^\]]*\]")
ATTRIBUTE = re.compile(r"\s*#\s*\[")
MODULE = re.compile(rf"\bmod\s+({IDENT})\s*([;{{])")
USE = re.compile(r"\buse\s+([^;]+);")
VISIBILITY = re.compile(r"\bpub\s*\([^)]*\)")
PATH = re.compile(rf"(?<![\w:$]){IDENT}(?:\s*::\s*{IDENT})+")


def without_comments_and_strings(text):
    """The code alone. Line breaks stay, so that line numbers do."""
    out, position = [], 0
    while match := TOKENS.search(text, position):
        out.append(text[position : match.start()])
        end = end_of_block_comment(text, match.start()) if match["block"] else match.end()
        removed = text[match.start() : end]
        out.append(('""' if "\"" in removed[:4] else " ") + "\n" * removed.count("\n"))
        position = end
    return "".join(out) + text[position:]


def end_of_block_comment(text, start):
    depth = 0
    for match in re.finditer(r"/\*|\*/", text[start:]):
        depth += 1 if match[0] == "/*" else -1
        if depth == 0:
            return start + match.end()
    return len(text)


def closing(text, start):
    """The position after the bracket that closes the one at `start`."""
    pairs = {"{": "}", "[": "]", "(": ")"}
    opening, close, depth = text[start], pairs[text[start]], 0
    for position in range(start, len(text)):
        depth += (text[position] == opening) - (text[position] == close)
        if depth == 0:
            return position + 1
    return len(text)


def without_tests(text):
    """The code without the items under `#[cfg(test)]`."""
    while match := TEST_ONLY.search(text):
        end = match.end()
        while attribute := ATTRIBUTE.match(text, end):
            end = closing(text, attribute.end() - 1)
        stop = re.compile(r"[;{]").search(text, end)
        if stop is None:
            return text[: match.start()]
        end = closing(text, stop.start()) if stop[0] == "{" else stop.end()
        if text[stop.start()] == "{" and re.match(r"\s*;", text[end:]):
            end = text.index(";", end) + 1  # use a::{b, c};
        text = text[: match.start()] + "\n" * text.count("\n", match.start(), end) + text[end:]
    return text


def code_of(file):
    """What the compiler reads of a file when it does not build tests."""
    return without_tests(without_comments_and_strings(file.read_text()))


@dataclass
class Module:
    """A module: its file, its children, the names that it imports, and its own code."""

    file: Path
    parent: "Module | None"
    code: str = ""
    children: dict = field(default_factory=dict)
    imports: dict = field(default_factory=dict)  # name -> path
    globs: list = field(default_factory=list)

    def root(self):
        return self.parent.root() if self.parent else self

    def all(self):
        yield self
        for child in self.children.values():
            yield from child.all()


def load(root_file):
    """The module tree below a crate's lib.rs or main.rs."""
    module = Module(root_file, None)
    fill(module, code_of(root_file), root_file.parent)
    return module


def fill(module, code, folder):
    code = VISIBILITY.sub("pub", code)
    position, own = 0, []
    while match := MODULE.search(code, position):
        own.append(code[position : match.start()])
        name, position = match[1].removeprefix("r#"), match.end()
        if match[2] == "{":
            position = closing(code, match.end() - 1)
            child = Module(module.file, module)
            fill(child, code[match.end() : position - 1], folder / name)
        else:
            file = next((f for f in (folder / f"{name}.rs", folder / name / "mod.rs") if f.is_file()), None)
            if file is None:
                continue
            child = Module(file, module)
            fill(child, code_of(file), folder / name)
        module.children[name] = child
    own.append(code[position:])
    code = "".join(own)
    for match in USE.finditer(code):
        for path, alias in flatten(match[1].strip()):
            if alias == "*":
                module.globs.append(path)
            elif alias != "_":
                module.imports[alias] = path
            else:
                module.imports[f"_ {'::'.join(path)}"] = path
    module.code = USE.sub(" ", code)


def flatten(tree, prefix=()):
    """`a::{b, c as d, e::*}` as pairs of a path and the name that it gets."""
    tree = tree.strip()
    if "{" in tree:
        head, _, rest = tree.partition("{")
        prefix += names(head)
        depth, part = 0, ""
        for letter in rest[: rest.rindex("}")]:
            depth += (letter == "{") - (letter == "}")
            if letter == "," and depth == 0:
                yield from flatten(part, prefix)
                part = ""
            else:
                part += letter
        yield from flatten(part, prefix)
        return
    if not tree:
        return
    tree, _, alias = (part.strip() for part in tree.partition(" as "))
    path = prefix + names(tree)
    if path[-1] == "*":
        yield path[:-1], "*"
        return
    if path[-1] == "self" and len(path) > 1:
        path = path[:-1]
    yield path, alias or path[-1]


def names(path):
    return tuple(part.strip().removeprefix("r#") for part in path.split("::") if part.strip())


def resolve(module, path, seen=frozenset()):
    """The module that defines what `path` names, as seen from `module`. None if that is another crate."""
    if not path or (id(module), path) in seen:
        return None
    seen |= {(id(module), path)}
    first, rest = path[0], path[1:]
    if first in ("crate", "$crate"):
        return within(module.root(), rest, seen)
    if first == "self":
        return within(module, rest, seen)
    if first == "super":
        return within(module.parent, rest, seen) if module.parent else None
    if first in module.children:
        return within(module, path, seen)
    if first in module.imports:
        # `use serde::{self}` and the like: another crate, under its own name.
        return None if module.imports[first][0] == first else within(module, path, seen)
    for glob in module.globs:
        target = resolve(module, glob, seen)
        if target and target is not module and (first in target.children or first in target.imports):
            return within(target, path, seen)
    return None


def within(module, path, seen):
    """Follows `path` down from `module`, through children and re-exports, to the module that defines the item."""
    if not path:
        return module
    first, rest = path[0], path[1:]
    if first == "super":
        return within(module.parent, rest, seen) if module.parent else None
    if first == "self":
        return within(module, rest, seen)
    if first in module.children:
        return within(module.children[first], rest, seen)
    if first in module.imports:
        if module.imports[first][0] == first:
            return None
        return resolve(module, module.imports[first] + rest, seen)
    if not defines(module, first):
        for glob in module.globs:
            target = resolve(module, glob, seen)
            if target and target is not module and defines(target, first):
                return target
    return module


def defines(module, name):
    kinds = r"struct|enum|union|fn|trait|type|const|static|macro_rules!"
    return re.search(rf"\b(?:{kinds})\s+(?:mut\s+)?{re.escape(name)}\b", module.code) is not None


def uses(root):
    """The graph: each file of the crate, and the files of the crate that it names items of."""
    graph = {}
    for module in root.all():
        targets = graph.setdefault(module.file, set())
        paths = [names(match[0]) for match in PATH.finditer(module.code.replace("$crate", "crate"))]
        used_as_prefix = {path[0] for path in paths}
        for alias, path in module.imports.items():
            target = resolve(module, path)
            if target and names_a_module(module, path) and alias in used_as_prefix:
                continue  # counted below, by what is named through it
            paths.append(path)
        paths += module.globs
        for path in paths:
            target = resolve(module, path)
            if target and target.file != module.file:
                targets.add(target.file)
    return graph


def names_a_module(module, path):
    parent = resolve(module, path[:-1]) if len(path) > 1 else module
    return parent is not None and path[-1] in parent.children


def circles(graph):
    """The strongly connected components of more than one file (Tarjan's algorithm)."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for target in sorted(graph.get(node, ())):
            if target not in index:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in stack:
                low[node] = min(low[node], index[target])
        if low[node] == index[node]:
            component = []
            while not component or component[-1] != node:
                component.append(stack.pop())
            if len(component) > 1:
                found.append(sorted(component))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return sorted(found)
