# Copyright the davit authors
# SPDX-License-Identifier: Apache-2.0
"""Tests that drive davitd by the qtest protocol."""

def qtest_test(name, src = None, deps = [], size = "medium", **kwargs):
    """A gtest program that plays the guest of a davitd with -accel qtest.

    Args:
      name: of the test.
      src: its source, by default NAME.cc.
      deps: what it uses beside the driver and gtest.
      size: how long it may run. Seconds do on a quiet host; two minutes were seen beside other work.
      **kwargs: as for cc_test.
    """
    native.cc_test(
        name = name,
        size = size,
        srcs = [src or name + ".cc"],
        data = ["//daemon:davitd"],
        tags = [
            "integration",
            "local",
        ],
        deps = [
            "//:gtest_main",
            "//clients/lib",
            "//tests/support:process",
            "//tests/support/virtio",
        ] + deps,
        **kwargs
    )
