# Copyright the davit authors
# SPDX-License-Identifier: Apache-2.0
"""Tests that start davitd and look at it from outside."""

def integration_test(
        name,
        src = None,
        data = [],
        deps = [],
        size = "medium",
        kind = "integration",
        exclusive = False,
        **kwargs):
    """A gtest program that starts //daemon:davitd.

    Args:
      name: of the test.
      src: its source, by default NAME.cc.
      data: programs and files that it needs beside davitd.
      deps: what it uses beside :common and what that shows.
      size: how long it may run.
      kind: the tag by which ./test finds it.
      exclusive: it changes the host for a while, so no other test runs beside it.
      **kwargs: as for cc_test.
    """
    native.cc_test(
        name = name,
        size = size,
        srcs = [src or name + ".cc"],
        data = ["//daemon:davitd"] + data,
        tags = [
            kind,
            "local",
        ] + (["exclusive"] if exclusive else []),
        deps = [
            ":common",
            "//:gtest_main",
            "//clients/lib",
            "//tests/support:process",
            "//tests/support:vm",
            "//vmm/base",
        ] + deps,
        **kwargs
    )
