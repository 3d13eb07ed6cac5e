#!/usr/bin/env python3
# Copyright the davit authors
# SPDX-License-Identifier: Apache-2.0
"""Tests of again.py."""
import os
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import again  # noqa: E402

FIRST = """<testsuites><testsuite name="S">
<testcase name="Good/q35" classname="S" status="run"/>
<testcase name="Bad/q35" classname="S" status="run"><failure message="m"/></testcase>
<testcase name="Worse/q35" classname="S" status="run"><failure message="m"/></testcase>
</testsuite></testsuites>"""
AGAIN = """<testsuites><testsuite name="S">
<testcase name="Good/q35" classname="S" status="notrun"/>
<testcase name="Bad/q35" classname="S" status="run"/>
<testcase name="Worse/q35" classname="S" status="run"><failure message="n"/></testcase>
</testsuite></testsuites>"""


class AgainTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def file(self, text):
        path = os.path.join(self.folder.name, str(len(os.listdir(self.folder.name))))
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        return path

    def test_failed_cases_are_a_filter(self):
        self.assertEqual(again.failed(self.file(FIRST)), "S.Bad/q35:S.Worse/q35")
        self.assertEqual(again.failed(self.file("<testsuites/>")), "")

    def test_second_results_take_the_place_of_failures(self):
        cases = {c.get("name"): c for c in again.merge(self.file(FIRST), self.file(AGAIN)).iter("testcase")}
        self.assertEqual(len(cases), 3)
        self.assertEqual(cases["Good/q35"].get("status"), "run")
        self.assertIsNone(cases["Good/q35"].get("again"))
        self.assertEqual(cases["Bad/q35"].get("again"), "failed at first")
        self.assertFalse(again.is_failed(cases["Bad/q35"]))
        self.assertEqual(cases["Worse/q35"].find("failure").get("message"), "n")

    def test_case_without_a_second_result_stays_failed(self):
        merged = again.merge(self.file(FIRST), self.file("<testsuites/>"))
        self.assertEqual(sum(again.is_failed(c) for c in merged.iter("testcase")), 2)


if __name__ == "__main__":
    unittest.main()
