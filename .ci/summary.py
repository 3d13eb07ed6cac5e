#!/usr/bin/env python3
# Copyright the davit authors
# SPDX-License-Identifier: Apache-2.0
"""Counts the test cases of one or more `bazel test` runs.

usage: summary.py LOG...   each LOG a --build_event_json_file

Cases are counted from each target's test.xml (JUnit): a gtest binary reports its cases, any other
test counts as one or as what it wrote to $XML_OUTPUT_FILE. Prints skipped and failed cases with
their reason, those that passed in a later run only, then the closing line. Exit status 1 when
something failed or nothing ran.
"""
import json
import sys
import urllib.parse
import xml.etree.ElementTree as ElementTree


def targets(log):
    """Yields (label, passed, xml path or None) of each test target of a run."""
    with open(log, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                event = json.loads(line)
            except ValueError:
                continue
            result = event.get("testResult")
            if result is None:
                if "targetCompleted" in event["id"] and not event.get("completed", {}).get("success"):
                    yield event["id"]["targetCompleted"]["label"], False, None
                continue
            xml = None
            for output in result.get("testActionOutput", []):
                if output["name"] == "test.xml":
                    xml = urllib.parse.unquote(urllib.parse.urlparse(output["uri"]).path)
            yield event["id"]["testResult"]["label"], result["status"] in ("PASSED", "FLAKY"), xml


def cases(xml):
    """(passed, failed names, skipped [(name, reason)], passed in a second run) of a test.xml."""
    passed, failed, skipped, again = 0, [], [], []
    for case in ElementTree.parse(xml).iter("testcase"):
        name = f"{case.get('classname', '')}.{case.get('name', '')}".strip(".")
        skip = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            failed.append(name)
        elif skip is not None or case.get("result") == "skipped":
            reason = (skip.get("message") or skip.text or "") if skip is not None else ""
            skipped.append((name, " ".join(reason.split())))
        elif case.get("status") != "notrun":
            passed += 1
            # The lab's runner writes an attribute, gtest's RecordProperty() an element.
            if (case.get("again") is not None
                    or case.find("properties/property[@name='again']") is not None):
                again.append(name)
    return passed, failed, skipped, again


def main(logs):
    passed, failed, skipped, again = 0, [], [], []
    for log in logs:
        for label, ok, xml in targets(log):
            target_failed = []
            if xml is not None:
                try:
                    count, target_failed, target_skipped, target_again = cases(xml)
                except (OSError, ElementTree.ParseError):
                    count, target_skipped, target_again = (1 if ok else 0), [], []
                passed += count
                skipped += [(f"{label} {name}", reason) for name, reason in target_skipped]
                again += [f"{label} {name}" for name in target_again]
            if not ok and not target_failed:
                target_failed = [""]
            failed += [f"{label} {name}".strip() for name in target_failed]
    for name, reason in skipped:
        print(f"skipped: {name}: {reason}" if reason else f"skipped: {name}")
    for name in again:
        print(f"passed in a later run only: {name}")
    for name in failed:
        print(f"failed: {name}")
    print(f"{passed} passed, {len(failed)} failed, {len(skipped)} skipped")
    return 1 if failed or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
