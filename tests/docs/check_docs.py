#!/usr/bin/python3
"""tests/docs/check_docs.py WHAT SOURCE: links lead to files and headings that are there; quotes are as in the file they are
from; every folder tells what it is (docs and tests/unit do so for those below them).

A quote is a block of code under `<!-- from: FILE#NAME -->`: the lines of FILE between those that hold [NAME] and [/NAME].
Without #NAME it is the whole file. Indentation that all its lines share is left out."""
import os
import re
import sys
import textwrap

SKIPPED = {".git", "build", "out", "perdure-data"}
FENCE = re.compile(r"^(```|~~~)")
LINK = re.compile(r"(?<!\!)\[[^\]]*\]\(([^)\s]+)\)")
QUOTE = re.compile(r"^<!-- from: ([^#\s]+)(?:#(\S+))? -->$", re.M)


def pages(source):
    for folder, folders, files in os.walk(source):
        folders[:] = sorted(f for f in folders if f not in SKIPPED)
        for name in sorted(files):
            if name.endswith(".md"):
                yield os.path.join(folder, name)


def prose(text):
    """Lines with their numbers, without blocks of code."""
    fenced = False
    for number, line in enumerate(text.splitlines(), 1):
        if FENCE.match(line.strip()):
            fenced = not fenced
        elif not fenced:
            yield number, line


def anchors(text):
    """The names that headings get."""
    for _, line in prose(text):
        if line.startswith("#"):
            heading = re.sub(r"[^\w\- ]", "", line.lstrip("#").strip().lower().replace("`", ""))
            yield heading.replace(" ", "-")


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def check_links(source):
    for page in pages(source):
        for number, line in prose(read(page)):
            for target in LINK.findall(re.sub(r"`[^`]*`", "", line)):
                if re.match(r"[a-z]+:", target):
                    continue
                path, _, anchor = target.partition("#")
                file = os.path.normpath(os.path.join(os.path.dirname(page), path)) if path else page
                if not os.path.exists(file):
                    yield f"{page}:{number}: {target} leads nowhere"
                elif anchor and file.endswith(".md") and anchor not in anchors(read(file)):
                    yield f"{page}:{number}: {target}: there is no such heading"


def quoted(source, file, name):
    """What should be there, or None."""
    path = os.path.join(source, file)
    if not os.path.exists(path):
        return None
    text = read(path)
    if name is None:
        return text.strip("\n")
    lines = text.splitlines()
    begin = [i for i, line in enumerate(lines) if f"[{name}]" in line]
    end = [i for i, line in enumerate(lines) if f"[/{name}]" in line]
    if len(begin) != 1 or len(end) != 1:
        return None
    return textwrap.dedent("\n".join(lines[begin[0] + 1:end[0]])).strip("\n")


def check_quotes(source):
    for page in pages(source):
        text = read(page)
        for match in QUOTE.finditer(text):
            file, name = match.groups()
            number = text.count("\n", 0, match.start()) + 1
            block = re.match(r"\n```\w*\n(.*?)^```", text[match.end():], re.S | re.M)
            wanted = quoted(source, file, name)
            if wanted is None:
                yield f"{page}:{number}: there is no {file}" + (f" with [{name}] and [/{name}]" if name else "")
            elif block is None or block.group(1).strip("\n") != wanted:
                yield f"{page}:{number}: the block below is not as in {file}"


def check_folders(source):
    for folder, folders, files in os.walk(source):
        folders[:] = sorted(f for f in folders if f not in SKIPPED)
        shown = os.path.relpath(folder, source)
        exempt = shown.startswith(("tests/unit/", "docs/")) or os.path.basename(folder).startswith(".")
        if not exempt and any(name.endswith((".c", ".h", ".py", ".sh", ".cmake", ".md", ".S")) for name in files) and "README.md" not in files:
            yield f"{folder}: has no README.md; ten lines will do: what it is, whom it may include, where to start"


def main():
    what, source = sys.argv[1:]
    faults = list({"links": check_links, "quotes": check_quotes, "folders": check_folders}[what](source))
    print("\n".join(faults) if faults else f"docs: {what} are fine")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
