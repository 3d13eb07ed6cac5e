"""fuzz_target: one entry point, two programs.

NAME_smoke  an ordinary test: the corpus, and a fixed number of seeded mutations of it
NAME        libFuzzer, built by hand with --config=fuzz (clang); see docs/testing.md
"""

def fuzz_target(name, srcs, deps, corpus = [], rounds = 2000):
    """A source with `extern "C" int LLVMFuzzerTestOneInput(const uint8_t*, size_t)`.

    Args:
      name: of the target.
      srcs: the entry point.
      deps: what it calls.
      corpus: files to start from.
      rounds: mutations that the smoke test runs.
    """
    native.cc_test(
        name = name + "_smoke",
        size = "small",
        srcs = srcs,
        args = [str(rounds)] + ["$(location %s)" % file for file in corpus],
        data = corpus,
        deps = deps + ["//tests/fuzz:smoke_main"],
    )
    native.cc_binary(
        name = name,
        testonly = True,
        srcs = srcs,
        linkopts = ["-fsanitize=fuzzer"],
        tags = ["manual"],
        deps = deps,
    )
