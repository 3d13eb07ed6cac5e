#!/usr/bin/env python3
# Copyright the davit authors
# SPDX-License-Identifier: Apache-2.0
"""Shows that each check of lint.py finds what it is for, and leaves good files alone."""
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lint  # noqa: E402
import tidy  # noqa: E402

HEAD = "// Copyright the davit authors\n// SPDX-License-Identifier: Apache-2.0\n"


def findings(check, **files):
    return list(check(lint.Tree("/nonexistent", {k: v for k, v in files["files"].items()})))


class LintTest(unittest.TestCase):
    def test_layers_refuse_vmm_seeing_qmp(self):
        bad = {"vmm/devices/uart.cc": '#include "qmp/session/session.h"\n'}
        good = {"vmm/devices/uart.cc": '#include "vmm/irq/irq_line.h"\n'}
        self.assertEqual(len(findings(lint.check_layers, files=bad)), 1)
        self.assertEqual(findings(lint.check_layers, files=good), [])

    def test_layers_refuse_an_unknown_folder(self):
        self.assertEqual(len(findings(lint.check_layers, files={"misc/a.cc": ""})), 1)

    def test_doors_refuse_rapidjson_elsewhere(self):
        bad = {"qmp/protocol/a.cc": "#include <rapidjson/document.h>\n"}
        self.assertEqual(len(findings(lint.check_doors, files=bad)), 1)

    def test_doors_refuse_ioctl_outside_unsafe_files(self):
        self.assertEqual(len(findings(lint.check_doors, files={"vmm/a.cc": "  ioctl(fd, 1);\n"})), 1)
        self.assertEqual(findings(lint.check_doors, files={"vmm/a_unsafe.cc": "  ioctl(fd, 1);\n"}), [])

    def test_doors_refuse_sleeps(self):
        bad = {"tests/a.cc": "  std::this_thread::sleep_for(1s);\n"}
        self.assertEqual(len(findings(lint.check_doors, files=bad)), 1)

    def test_headers_want_the_licence(self):
        self.assertEqual(len(findings(lint.check_headers, files={"vmm/a.cc": "int x;\n"})), 1)
        self.assertEqual(findings(lint.check_headers, files={"vmm/a.cc": HEAD}), [])

    def test_sizes_refuse_a_long_function(self):
        body = "  x();\n" * 90
        self.assertEqual(len(findings(lint.check_sizes, files={"a.cc": f"void F() {{\n{body}}}\n"})), 1)
        split = f"void F(int a,\n       int b) {{\n{body}}}\n"
        self.assertEqual(len(findings(lint.check_sizes, files={"a.cc": split})), 1)
        short = "void F() {\n  x();\n}\n" * 60
        self.assertEqual(findings(lint.check_sizes, files={"a.cc": short}), [])

    def test_sizes_leave_a_namespace_alone(self):
        body = "int F();\n\n" * 60
        text = f"namespace a {{\n{body}}}  // namespace a\n"
        self.assertEqual(findings(lint.check_sizes, files={"a.cc": text}), [])

    def test_sizes_refuse_a_long_file(self):
        self.assertEqual(len(findings(lint.check_sizes, files={"a.cc": "\n" * 601})), 1)

    def test_links_find_a_dead_one(self):
        self.assertEqual(len(findings(lint.check_links, files={"a.md": "[x](b.md)\n"})), 1)
        self.assertEqual(findings(lint.check_links, files={"a.md": "[x](b.md#y)\n", "b.md": ""}), [])

    def test_changelog_wants_an_entry(self):
        self.assertEqual(len(findings(lint.check_changelog, files={"CHANGELOG.md": "## Unreleased\n"})), 1)
        good = {"CHANGELOG.md": "## Unreleased\n\n### Added\n- a thing\n"}
        self.assertEqual(findings(lint.check_changelog, files=good), [])

    def test_words_find_unfinished_marks(self):
        self.assertEqual(len(findings(lint.check_words, files={"a.cc": "// TODO: more\n"})), 1)

    def test_tidy_reads_neighbours_at_once_and_apart_where_names_clash(self):
        moved = ("#include <string>\n#include <utility>\nnamespace {\nint Size() { return 1; }\n}\n"
                 "int F%d(std::string a) {\n  std::string b = std::move(a);\n"
                 "  return Size() + int(a.size() + b.size());\n}\n")
        with tempfile.TemporaryDirectory() as root:
            files = {"vmm/a/one.cc": moved % 1, "vmm/a/two.cc": moved % 2,
                     "vmm/a/bad.cc": "int F3() { return nothing; }\n",
                     ".clang-tidy": "Checks: '-*,bugprone-use-after-move'\n"
                                    "HeaderFilterRegex: 'vmm/'\n"}
            for path, text in files.items():
                os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
                with open(os.path.join(root, path), "w", encoding="utf-8") as f:
                    f.write(text)
            found = list(lint.check_tidy(lint.Tree(root, files)))
        self.assertEqual(sorted(line.split("vmm/a/")[1][:11] for line in found),
                         ["bad.cc:1:19", "one.cc:8:23", "two.cc:8:23"], found)

    def test_tidy_keeps_folders_together(self):
        paths = [f"vmm/{folder}/{n}.cc" for folder in "abc" for n in range(tidy.UNIT // 2)]
        self.assertEqual([len(unit) for unit in tidy.units(paths)], [tidy.UNIT, tidy.UNIT // 2])


if __name__ == "__main__":
    unittest.main()
