#!/usr/bin/env python3
"""Checks what CONTRIBUTING.md says about the Rust files, and what no compiler checks.

- No file of a crate imports in a circle. Tests and the re-exports of lib.rs do not count.
- No file is longer than 400 lines, and half of them have at most 110.
- fred is named only in the files that speak Redis.

`--self-test` checks the check, on crates made for it. Both need Python 3 alone, and git.
"""

import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True  # the checks leave the work tree as it is
from rust_modules import circles, code_of, load, uses

MAX_LINES = 400
MAX_MEDIAN = 110
FRED = re.compile(r"\bfred\s*::|\buse\s+fred\b")
MAY_NAME_FRED = re.compile(r"crates/(redis-core|run-events|test-support)/|services/[^/]+/src/(store|redis)(\.rs$|/)")


def rust_files(root):
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", "crates/*.rs", "services/*.rs"],
        cwd=root, check=True, capture_output=True, text=True,
    )
    return sorted(file for name in set(listed.stdout.split()) if (file := root / name).is_file())


def crates(root):
    return sorted(folder for kind in ("crates", "services") for folder in root.glob(f"{kind}/*") if (folder / "src").is_dir())


def import_circles(crate):
    """The circles among the files of one crate, as lists of files."""
    root_file = crate / "src/lib.rs"
    if not root_file.is_file():
        root_file = crate / "src/main.rs"
    graph = uses(load(root_file))
    graph.pop(root_file, None)
    return graph, circles({file: targets - {root_file} for file, targets in graph.items()})


def check_circles(root):
    for crate in crates(root):
        graph, found = import_circles(crate)
        for component in found:
            inside = set(component)
            yield f"{crate.relative_to(root)}: files that import in a circle: " + ", ".join(
                f"{name(file, crate)} -> {' '.join(sorted(name(target, crate) for target in graph[file] & inside))}"
                for file in component
            )


def name(file, crate):
    return str(file.relative_to(crate / "src").with_suffix(""))


def check_lengths(files, root):
    lengths = {file: file.read_bytes().count(b"\n") for file in files}
    for file, lines in lengths.items():
        if lines > MAX_LINES:
            yield f"{file.relative_to(root)}: {lines} lines, more than {MAX_LINES}"
    median = statistics.median(lengths.values())
    if median > MAX_MEDIAN:
        yield f"half of the {len(lengths)} Rust files are longer than {median:.0f} lines, more than {MAX_MEDIAN}"


def check_fred(files, root):
    for file in files:
        path = str(file.relative_to(root))
        if "/src/" not in path or MAY_NAME_FRED.match(path):
            continue
        for number, line in enumerate(code_of(file).splitlines(), 1):
            if FRED.search(line):
                yield f"{path}:{number}: names fred, which only the files that speak Redis may: {line.strip()}"


def self_test():
    """Circles that must be found, and what looks like one and is none."""
    circle = {
        "two files": {"lib": "mod a;\nmod b;", "a": "use crate::b::B;\npub struct A(B);", "b": "pub struct B(Option<Box<crate::a::A>>);"},
        "a child and its parent": {"lib": "mod a;", "a": "mod b;\npub struct A;\nfn f(_: b::B) {}", "a/b": "use super::A;\npub struct B(A);"},
        "three, by names of lib.rs": {
            "lib": "mod a;\nmod b;\nmod c;\npub use a::A;\npub use b::{B, f as g};",
            "a": "use crate::B;\npub struct A;", "b": "use crate::c;\npub struct B;\npub fn f() { c::h() }", "c": "use crate::A;\npub fn h() {}",
        },
        "a nested import": {"lib": "mod a;\nmod b;", "a": "use crate::{b::{self, B}};\npub struct A;", "b": "use crate::{a::{A}};\npub struct B;"},
    }
    straight = {
        "one direction": {"lib": "mod a;\nmod b;", "a": "use crate::b::B;\npub struct A(B);", "b": "pub struct B;"},
        "tests, comments and strings": {
            "lib": "mod a;\nmod b;", "a": "use crate::b::B;\npub struct A(B);",
            "b": "//! See [`crate::a::A`].\npub struct B; // crate::a::A\nconst S: &str = \"crate::a::A\";\n#[cfg(test)]\nmod tests {\n    use crate::a::A;\n}",
        },
        "a child that its parent declares and does not use": {"lib": "mod a;", "a": "mod b;\npub struct A;", "a/b": "use super::A;\npub struct B(A);"},
        "what lib.rs defines": {"lib": "mod a;\npub use a::A;\npub struct L(A);", "a": "pub struct A(Option<crate::L>);"},
        "siblings through their parent": {
            "lib": "mod a;", "a": "mod b;\nmod c;\nuse b::B;\npub struct A(B);", "a/b": "use super::c::C;\npub struct B(C);", "a/c": "pub struct C;",
        },
    }
    wrong = [f"not found: {case}" for case, files in circle.items() if not circles_of(files)]
    wrong += [f"found where there is none: {case}" for case, files in straight.items() if circles_of(files)]
    if FRED.search("redis_core::RedisError") or not FRED.search("use fred::prelude::*;"):
        wrong.append("fred is not recognised")
    return wrong


def circles_of(files):
    with tempfile.TemporaryDirectory() as folder:
        crate = Path(folder)
        for module, text in files.items():
            file = crate / "src" / f"{module}.rs"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text + "\n")
        return import_circles(crate)[1]


def main():
    if sys.argv[1:] == ["--self-test"]:
        problems = self_test()
    else:
        root = Path(sys.argv[1] if sys.argv[1:] else Path(__file__).parent.parent).resolve()
        files = rust_files(root)
        problems = [*check_circles(root), *check_lengths(files, root), *check_fred(files, root)]
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
