# Copyright the davit authors
# SPDX-License-Identifier: Apache-2.0
"""clang-tidy over many files at once.

Two thirds of a run over one file is the parsing of the standard library, Asio and GoogleTest, so
neighbours are read as one translation unit. Files that cannot be read together (two of them have
the same name in an unnamed namespace) are found by the compiler's errors and tried among
themselves; a file that has errors when alone has them for good.
"""
import os
import re

# Parsing is shared by all files of a unit; what grows with more is the number of clashes.
UNIT = 24

FINDING = re.compile(r"^(.+?):\d+:\d+: (warning|error): ")


def units(paths):
    """The paths in groups of whole folders, neighbours together, none empty."""
    folders = {}
    for path in sorted(paths):
        folders.setdefault(os.path.dirname(path), []).append(path)
    group = []
    for files in folders.values():
        if group and len(group) + len(files) > UNIT:
            yield group
            group = []
        group = group + files
    if group:
        yield group


def findings(root, paths, run):
    """The lines that run(paths), a clang-tidy over one unit of them, has to say about them."""
    lines = [line for line in run(paths).split("\n") if FINDING.match(line)]
    broken = [line for line in lines if line.endswith("[clang-diagnostic-error]")]
    if not broken or len(paths) == 1:
        return lines
    named = {os.path.relpath(os.path.join(root, FINDING.match(line).group(1)), root)
             for line in broken}
    apart = [path for path in paths if path in named]
    if not apart or len(apart) == len(paths):
        apart = paths[len(paths) // 2:]
    together = [path for path in paths if path not in apart]
    return findings(root, together, run) + findings(root, apart, run)
