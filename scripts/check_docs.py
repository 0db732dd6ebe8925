#!/usr/bin/env python3
"""Checks that what the Markdown files point to exists.

- Relative links in all of them, and the headings that they name.
- Paths in backticks in ARCHITECTURE.md, CONTRIBUTING.md, README.md and docs/. A path that begins with `src/` is looked for
  in the services and crates that are named before it in the same section.
- What is shown of scripts/capacity.py is what it prints.

Needs Python 3 alone, and git.
"""

import re
import subprocess
import sys
from pathlib import Path

LINK = re.compile(r"(?<!!)\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^()\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
FENCE = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)
PATH = re.compile(r"^(src|crates|services|deploy|scripts|docs|haproxy|rules|tests|\.ci|\.github)(/[\w.*-]+)*/?$")
MEMBER = re.compile(r"^(?:services|crates)/[\w-]+")
RUN = re.compile(r"^```text\n\$ (scripts/capacity\.py .+)\n((?:.*\n)*?)```", re.MULTILINE)
PLACEHOLDER = re.compile(r"NAME|SERVICE|NN|[*<>{}…]")


def markdown_files(root):
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", "*.md"],
        cwd=root, check=True, capture_output=True, text=True,
    )
    return sorted(file for name in set(listed.stdout.split("\n")) if name and (file := root / name).is_file())


def anchors(file):
    """The names that GitHub gives to the headings of a file."""
    seen, names = {}, set()
    for heading in HEADING.findall(FENCE.sub("", file.read_text())):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        name = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        count = seen[name] = seen.get(name, -1) + 1
        names.add(f"{name}-{count}" if count else name)
    return names


def check_links(file, text, root):
    for target in LINK.findall(CODE.sub("", text)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        linked = (file.parent / path).resolve() if path else file
        if not linked.exists():
            yield f"links to {target}, which does not exist"
        elif anchor and linked.suffix == ".md" and anchor not in anchors(linked):
            yield f"links to {target}, but {linked.relative_to(root)} has no such heading"


def check_paths(text, root):
    for section in re.split(r"^#+ ", text, flags=re.MULTILINE):
        members = []
        for code in CODE.findall(section):
            if not PATH.match(code) or PLACEHOLDER.search(code):
                continue
            if found := MEMBER.match(code):
                members.append(root / found[0])
            # Where none is named, as in a table of what every service has, one that has it will do.
            places = [root, *(members or root.glob("services/*"))]
            if not any((place / code).exists() for place in places):
                yield f"names {code}, which does not exist"


def check_runs(text, root):
    for command, shown in RUN.findall(text):
        ran = subprocess.run([sys.executable, *command.split()], cwd=root, capture_output=True, text=True)
        if ran.returncode or ran.stdout != shown:
            yield f"does not show what {command} prints:\n{ran.stdout}{ran.stderr}"


def main():
    root = Path(__file__).parent.parent.resolve()
    wrong = 0
    for file in markdown_files(root):
        name = str(file.relative_to(root))
        whole = file.read_text()
        text = FENCE.sub("", whole)
        problems = [*check_links(file, text, root), *check_runs(whole, root)]
        if name in ("ARCHITECTURE.md", "CONTRIBUTING.md", "README.md") or name.startswith("docs/"):
            problems += check_paths(text, root)
        for problem in problems:
            print(f"{name}: {problem}", file=sys.stderr)
        wrong += len(problems)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
