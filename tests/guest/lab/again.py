#!/usr/bin/env python3
# Copyright the davit authors
# SPDX-License-Identifier: Apache-2.0
"""Test results of a run in the lab whose failed cases were run again in a fresh lab.

usage: again.py failed XML           the failed cases as a gtest filter; empty: none
       again.py merge FIRST AGAIN    FIRST with what AGAIN has of its cases in their place, on stdout

A case that failed at first and passed then is marked (again="..."), so that the summary can name it.
"""
import sys
import xml.etree.ElementTree as ElementTree


def name_of(case):
    return f"{case.get('classname')}.{case.get('name')}"


def is_failed(case):
    return case.find("failure") is not None or case.find("error") is not None


def failed(path):
    cases = ElementTree.parse(path).iter("testcase")
    return ":".join(name_of(case) for case in cases if is_failed(case))


def merge(first, again):
    tree = ElementTree.parse(first)
    second = {name_of(case): case for case in ElementTree.parse(again).iter("testcase")}
    for suite in tree.iter("testsuite"):
        for i, case in enumerate(list(suite)):
            other = second.get(name_of(case))
            if case.tag != "testcase" or not is_failed(case) or other is None:
                continue
            if not is_failed(other):
                other.set("again", "failed at first")
            suite[i] = other
    return tree


def main(arguments):
    if len(arguments) == 2 and arguments[0] == "failed":
        print(failed(arguments[1]))
    elif len(arguments) == 3 and arguments[0] == "merge":
        merge(arguments[1], arguments[2]).write(sys.stdout, encoding="unicode")
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
