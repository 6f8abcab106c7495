#!/usr/bin/env python3
"""Whether the tests of this run have shown every box of docs/clients.md. The list that it is a copy of may lie beside the project;
then that one is asked, and the copy has to have as many boxes in each section."""

import os
import pathlib
import re
import sys
from collections import Counter

ROOT = pathlib.Path(__file__).parent.parent
BESIDE = ROOT.parent / "shared/spec/clients.md"
COPY = ROOT / "docs/clients.md"


def beside(text):
    """The keys of a list whose boxes are not numbered: section, and place in the section."""
    keys, section = [], None
    for line in text.splitlines():
        if match := re.match(r"#+ (\d+)\. ", line):
            section = match[1]
            count = 0
        elif line.startswith("- [ ]"):
            count += 1
            keys.append(f"{section}.{count}")
    return keys


def numbered(text):
    return re.findall(r"^- (\d+\.\d+): ", text, re.M)


def sections(keys):
    return Counter(key.split(".")[0] for key in keys)


def main():
    ours = numbered(COPY.read_text())
    wanted, source, faults = ours, "docs/clients.md", []
    if BESIDE.exists():
        wanted, source = beside(BESIDE.read_text()), "list beside the project"
        for section in sorted(sections(wanted) | sections(ours)):
            theirs, mine = sections(wanted)[section], sections(ours)[section]
            if theirs != mine:
                faults.append(f"section {section}: {theirs} boxes in the {source}, {mine} in docs/clients.md")
    if ours != beside(re.sub(r"^- \d+\.\d+: ", "- [ ] ", COPY.read_text(), flags=re.M)):
        faults.append("docs/clients.md: the boxes are not numbered one after the other")
    file = pathlib.Path(os.environ["RUMLINE_BOXES"])
    shown = set(file.read_text().split()) if file.exists() else set()
    faults += [f"box {key} was not shown" for key in wanted if key not in shown]
    faults += [f"{key} was shown and is no box" for key in sorted(shown - set(wanted))]
    print(f"boxes: {len(shown & set(wanted))} of {len(wanted)} shown ({source})")
    for fault in faults:
        print(fault)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
