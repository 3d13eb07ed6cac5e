#!/usr/bin/env python3
# Copyright the davit authors
# SPDX-License-Identifier: Apache-2.0
"""man_options.py TEMPLATE HELP VERSION: davitd(1), its OPTIONS those of `davitd -help`."""
import sys


def escape(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    # A line that begins with one of these would be a request.
    return "\\&" + text if text[:1] in (".", "'") else text


def options(help_text):
    """The entries of the help: "-NAME ARGUMENT", and under it the text, indented."""
    lines = []
    for line in help_text.splitlines():
        if line.startswith("-"):
            name, _, argument = line.partition(" ")
            lines.append(".TP")
            # Values of choice stand in brackets as in the help; no font can do better than that.
            lines.append(f'.B "{escape(name + (" " + argument if argument else ""))}"')
        elif line.startswith(" "):
            lines.append(escape(line.strip()))
    return "\n".join(lines)


def main():
    template, help_file, version = sys.argv[1:]
    with open(help_file, encoding="utf-8") as f:
        entries = options(f.read())
    with open(template, encoding="utf-8") as f:
        page = f.read()
    sys.stdout.write(page.replace("@OPTIONS@", entries).replace("@VERSION@", version))


main()
