#!/usr/bin/env python3
# Copyright the davit authors
# SPDX-License-Identifier: Apache-2.0
"""Checks of the tree: lint.py CHECK ROOT. Prints `file:line: finding`, exit status 1 if any.

Each check is a function of a Tree (files and their text) that yields findings, so that
lint_test.py can show on small trees that it finds what it should.
"""
import concurrent.futures
import os
import re
import subprocess
import sys
import tempfile

import tidy

CODE = (".h", ".cc")


class Tree:
    """The files under version control (and new ones not ignored): path -> text."""

    def __init__(self, root, files=None):
        self.root = root
        self._texts = files
        if files is None:
            listing = subprocess.run(
                ["git", "-c", "safe.directory=*", "ls-files", "-co", "--exclude-standard", "-z"],
                cwd=root, check=True, capture_output=True).stdout.decode()
            self.paths = sorted(p for p in listing.split("\0")
                                if p and os.path.isfile(os.path.join(root, p)))
        else:
            self.paths = sorted(files)

    def text(self, path):
        if self._texts is not None:
            return self._texts[path]
        with open(os.path.join(self.root, path), encoding="utf-8", errors="replace") as f:
            return f.read()

    def code(self):
        return [p for p in self.paths if p.endswith(CODE)]


def numbered(text):
    return enumerate(text.split("\n"), 1)


def includes(text):
    """(line, name, is_system) of each #include."""
    for n, line in numbered(text):
        m = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if m:
            yield n, m.group(2), m.group(1) == "<"


# --- layers (docs/architecture.md): package prefix -> prefixes it may include -------------------

BASE = ["vmm/base"]
LAYERS = [
    # Longest prefix first. Tests (…_test.cc, testing/) of a package may also use what is testonly.
    ("vmm/base", BASE),
    ("vmm/memory", BASE + ["vmm/memory"]),
    ("vmm/kvm", BASE + ["vmm/kvm", "vmm/memory"]),
    ("vmm/irq", BASE + ["vmm/irq", "vmm/kvm"]),
    ("vmm/bus", BASE + ["vmm/bus"]),
    ("vmm/devices", BASE + ["vmm/devices", "vmm/irq", "vmm/bus", "vmm/io", "vmm/backend"]),
    ("vmm/backend", BASE + ["vmm/backend", "vmm/io"]),
    ("vmm/io", BASE + ["vmm/io"]),
    ("vmm/boot", BASE + ["vmm/boot", "vmm/memory"]),
    ("vmm/cpu", BASE + ["vmm/cpu", "vmm/kvm", "vmm/memory", "vmm/boot"]),
    ("vmm/virtio/core", BASE + ["vmm/virtio/core", "vmm/memory", "vmm/irq", "vmm/io"]),
    ("vmm/virtio/testing", BASE + ["vmm/virtio/testing", "vmm/virtio/core", "vmm/memory", "vmm/io"]),
    ("vmm/virtio/transport", BASE + ["vmm/virtio/transport", "vmm/virtio/core", "vmm/bus", "vmm/irq", "vmm/io",
                                     "vmm/pci", "vmm/memory"]),
    ("vmm/virtio/vhost", BASE + ["vmm/virtio/vhost", "vmm/virtio/core", "vmm/memory"]),
    ("vmm/virtio", BASE + ["vmm/virtio/core", "vmm/virtio/vhost", "vmm/backend", "vmm/io"]),  # and its own folder
    ("vmm/pci", BASE + ["vmm/pci", "vmm/bus", "vmm/irq", "vmm/io"]),
    ("vmm/qtest", BASE + ["vmm/qtest", "vmm/bus", "vmm/irq", "vmm/memory", "vmm/io", "vmm/backend"]),
    ("vmm/control", BASE + ["vmm/control"]),
    ("vmm/machine", ["vmm"]),
    ("schema", BASE + ["schema"]),
    ("qmp/handlers", BASE + ["schema", "vmm/control", "qmp"]),
    ("qmp", BASE + ["schema", "qmp"]),
    ("clients", BASE + ["schema", "clients"]),
    ("daemon", ["daemon", "qmp", "schema", "vmm", "tests/guest/probe"]),
    ("tests", [""]),
    (".bazel", []),
]


def within(path, prefix):
    return prefix == "" or path == prefix or path.startswith(prefix + "/")


def check_layers(tree):
    for path in tree.code():
        allowed = next((a for p, a in LAYERS if within(path, p)), None)
        if allowed is None:
            yield f"{path}:1: no layer is defined for this folder"
            continue
        is_test = path.endswith(("_test.cc", "/test_support.h"))
        for n, name, system in includes(tree.text(path)):
            if system or name.startswith(("gtest/", "gmock/")):
                continue
            if is_test and (name.startswith(("tests/support/", "tests/guest/probe/")) or
                            "/testing/" in name):
                continue
            if within(name, "vmm/virtio") and path.rsplit("/", 1)[0] == name.rsplit("/", 1)[0]:
                continue  # a device's own folder
            if not any(within(name, a) for a in allowed):
                yield f"{path}:{n}: {name} is against the layers"


# --- doors: third parties and dangerous calls in one place each ---------------------------------

DOORS = [
    (r"boost/", ["qmp/transport", "qmp/session", "vmm/io", "daemon", "clients", "tests", ".bazel"]),
    (r"rapidjson/", ["schema/runtime/json"]),
    (r"libfdt|fdt\.h$", ["vmm/boot/fdt"]),
    (r"linux/kvm\.h$", ["vmm/kvm"]),
    (r"linux/vhost\.h$", ["vmm/virtio/vhost"]),
    (r"slirp/", ["vmm/backend/net"]),
    (r"readline/", ["clients/qmp-shell"]),
    (r"liburing", ["vmm/backend/block"]),
    (r"^seccomp\.h$", ["daemon/process"]),
    (r"^openssl/", ["vmm/machine/secret"]),
]
UNSAFE = re.compile(r"(?<![\w.>:])(?:::)?(mmap|munmap|ioctl)\s*\(")


def check_doors(tree):
    for path in tree.code():
        text = tree.text(path)
        for n, name, system in includes(text):
            for pattern, homes in DOORS:
                if system and re.search(pattern, name) and not any(within(path, h) for h in homes):
                    yield f"{path}:{n}: <{name}> has its door in {', '.join(homes)}"
        if path.startswith("vmm/") and not re.search(r"(_unsafe|_test)\.(cc|h)$", path):
            for n, line in numbered(text):
                code = line.split("//")[0]
                m = UNSAFE.search(code)
                if m:
                    yield f"{path}:{n}: {m.group(1)}() belongs into a *_unsafe.cc file"
        for n, line in numbered(text):
            if re.search(r"\b(sleep_for|sleep_until|usleep|nanosleep)\s*\(", line.split("//")[0]):
                yield f"{path}:{n}: a sleep in place of an event"


# --- shape of files -------------------------------------------------------------------------------

def check_headers(tree):
    for path in tree.paths:
        if path.endswith(CODE):
            want = ["// Copyright the davit authors", "// SPDX-License-Identifier: Apache-2.0"]
            lines = tree.text(path).split("\n")
            if lines[:2] != want:
                yield f"{path}:1: the first two lines are not the licence header"
            if path.endswith(".h") and "#pragma once" not in lines:
                yield f"{path}:1: no #pragma once"
        elif tree.text(path).startswith("#!") and "SPDX-License-Identifier: Apache-2.0" not in tree.text(path):
            yield f"{path}:1: a script without licence header"


MAX_FILE = 600
MAX_FUNCTION = 80


def functions(text):
    """(first line, length) of function bodies as clang-format lays them out: they end in a lone
    brace at the indent of the line that they start with."""
    start = {}
    for n, line in numbered(text):
        m = re.match(r"( *)(\S.*)", line)
        if not m:
            continue
        indent, rest = len(m.group(1)), m.group(2)
        if rest in ("}", "};") or rest.startswith("}  //"):
            if indent in start:
                first, head = start.pop(indent)
                if not re.match(r"(namespace|class|struct|enum|union|extern|template|constexpr .*=)", head):
                    yield first, n - first + 1
        elif indent <= 2 and not rest.startswith(("//", "#", "}", "public:", "private:", "protected:")):
            if indent not in start or rest.endswith("{"):
                if indent in start and not start[indent][1].endswith(("(", ",", "{")):
                    start.pop(indent)
                start.setdefault(indent, (n, rest))
            if rest.endswith(";"):
                start.pop(indent, None)


def check_sizes(tree):
    for path in tree.code() + [p for p in tree.paths if p.endswith((".py", ".sh", ".bzl"))]:
        text = tree.text(path)
        count = text.count("\n")
        if count > MAX_FILE:
            yield f"{path}:1: {count} lines; the limit is {MAX_FILE}"
        for n, line in numbered(text):
            if len(line) > 100 and path.endswith(CODE) and "http" not in line:
                yield f"{path}:{n}: {len(line)} columns; the limit is 100"
        if path.endswith(".cc"):
            for first, length in functions(text):
                if length > MAX_FUNCTION:
                    yield f"{path}:{first}: a function of {length} lines; the limit is {MAX_FUNCTION}"


def check_format(tree):
    files = tree.code()
    for i in range(0, len(files), 50):
        run = subprocess.run(["clang-format-14", "--dry-run", "--ferror-limit=1"] + files[i:i + 50],
                             cwd=tree.root, capture_output=True, text=True, check=False)
        for line in run.stderr.split("\n"):
            if "warning:" in line or "error:" in line:
                yield line


def check_tidy(tree):
    """clang-tidy on the product's code; generated headers are in the runfiles (the working folder)."""
    files = [p for p in tree.code() if p.endswith(".cc") and not p.endswith("_test.cc")
             and "/testing/" not in p
             and not p.startswith(("tests/", ".bazel/"))]
    flags = ["-std=c++20", "-I.", "-I" + os.getcwd(), "-Wno-everything", "-ferror-limit=0",
             "-DSPDLOG_COMPILED_LIB", "-DSPDLOG_FMT_EXTERNAL", "-DBOOST_ASIO_NO_DEPRECATED",
             "-DBOOST_ASIO_SEPARATE_COMPILATION"]

    def run(paths):
        with tempfile.NamedTemporaryFile("w", suffix=".cc") as unit:
            unit.writelines(f'#include "{path}"\n' for path in paths)
            unit.flush()
            return subprocess.run(
                ["clang-tidy-14", "--quiet", "--config-file=.clang-tidy", unit.name, "--"] + flags,
                cwd=tree.root, capture_output=True, text=True, check=False).stdout

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for lines in pool.map(lambda unit: tidy.findings(tree.root, unit, run), tidy.units(files)):
            yield from lines


def check_shell(tree):
    for path in tree.paths:
        text = tree.text(path)
        if path.endswith(".sh") or re.match(r"#!.*\bbash\b", text):
            run = subprocess.run(["bash", "-n", os.path.join(tree.root, path)],
                                 capture_output=True, text=True, check=False)
            if run.returncode != 0:
                yield f"{path}:1: {run.stderr.strip()}"
        elif path.endswith(".py"):
            try:
                compile(text, path, "exec")
            except SyntaxError as error:
                yield f"{path}:{error.lineno}: {error.msg}"


# --- documents ------------------------------------------------------------------------------------

GENERATED = {"docs/qmp-reference.md", "docs/qmp-reference/index.md", "docs/qmp-reference/index.html"}


def check_links(tree):
    known = set(tree.paths)
    folders = {os.path.dirname(p) for p in tree.paths}
    for path in tree.paths:
        if not path.endswith(".md"):
            continue
        fenced = False
        for n, line in numbered(tree.text(path)):
            fenced ^= line.lstrip().startswith("```")
            if fenced:
                continue
            for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", line):
                if re.match(r"[a-z]+:", target):
                    continue
                full = os.path.normpath(os.path.join(os.path.dirname(path), target))
                if full not in known and full not in GENERATED and full not in folders:
                    yield f"{path}:{n}: dead link {target}"


def check_changelog(tree):
    if "CHANGELOG.md" not in tree.paths:
        yield "CHANGELOG.md:1: missing"
    elif not re.search(r"^## Unreleased\n(?:\n|### .*\n)*- ", tree.text("CHANGELOG.md"), re.M):
        yield "CHANGELOG.md:1: no entry under '## Unreleased'"


# Marks of unfinished work; what is unfinished is refused at run time and listed in README.
WORDS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


def check_words(tree):
    for path in tree.paths:
        if path.startswith("tests/lint/"):
            continue
        for n, line in numbered(tree.text(path)):
            m = WORDS.search(line)
            if m and m.group(1) == "TODO" and path.startswith("schema/compiler/"):
                continue  # the tag of a section in QAPI's documentation comments
            if m:
                yield f"{path}:{n}: '{m.group(1)}' left in the tree"


# --- packages -------------------------------------------------------------------------------------

# What g++ pulls in by itself.
IMPLIED = {"libc6-dev", "linux-libc-dev", "libstdc++-12-dev", "libgcc-12-dev", "libcrypt-dev"}


def check_packages(tree):
    listed = {line.strip() for line in tree.text(".ci/packages").split("\n")
              if line.strip() and not line.startswith("#")}
    seen = {}
    for path in tree.code():
        for n, name, system in includes(tree.text(path)):
            if system:
                seen.setdefault(name, f"{path}:{n}")
    roots = ["/usr/include", "/usr/include/x86_64-linux-gnu", "/usr/include/c++/12",
             "/usr/include/x86_64-linux-gnu/c++/12", "/usr/lib/gcc/x86_64-linux-gnu/12/include"]
    for name, where in sorted(seen.items()):
        full = next((os.path.join(r, name) for r in roots if os.path.exists(os.path.join(r, name))), None)
        if full is None:
            yield f"{where}: <{name}> is on no include path"
            continue
        owner = subprocess.run(["dpkg-query", "-S", full], capture_output=True, text=True, check=False)
        packages = {p.split(":")[0] for p in owner.stdout.split(": /")[0].split(", ")}
        if owner.returncode == 0 and not packages & (listed | IMPLIED):
            yield f"{where}: <{name}> comes from {', '.join(sorted(packages))}, not in .ci/packages"


def main(argv):
    check = globals().get("check_" + argv[1]) if len(argv) == 3 else None
    if check is None:
        print("usage: lint.py CHECK ROOT", file=sys.stderr)
        return 2
    findings = list(check(Tree(argv[2])))
    for finding in findings:
        print(finding)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
