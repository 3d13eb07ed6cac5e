# Copyright the davit authors
# SPDX-License-Identifier: Apache-2.0
"""qapi_library: a QAPI schema becomes one C++ library and its reference page."""

load("@rules_cc//cc:defs.bzl", "cc_library")

# Each emitter's files (schema/compiler/registry.cc).
_STEMS = [
    "types",
    "codecs",
    "commands",
    "events",
    "introspect",
    "client",
    "devices",
]

def qapi_library(name, schema, srcs, prefix = "", namespace = "", defines = [], visibility = None):
    """Compiles a schema.

    Args:
      name: the cc_library; headers are "<package>/<prefix>types.h" and so on.
      schema: the root file.
      srcs: the root file and every file it includes.
      prefix: put before the names of the generated files.
      namespace: of the C++ (davit::qapi unless given; inside davit).
      defines: names that `if` conditions of the schema find defined.
      visibility: of the library.

    Also made: <name>_reference, the Markdown page "<prefix>qmp-reference.md"; <name>_help, the
    cc_library of "<prefix>help.h".
    """
    headers = [prefix + stem + ".h" for stem in _STEMS]
    sources = [prefix + stem + ".cc" for stem in _STEMS]
    page = prefix + "qmp-reference.md"
    help = [prefix + "help.h", prefix + "help.cc"]
    native.genrule(
        name = name + "_generate",
        srcs = srcs,
        outs = headers + sources + help + [page],
        cmd = " ".join([
            "$(location //schema/compiler:qapi-compiler)",
            "--schema $(location %s)" % schema,
            "--out-dir $(RULEDIR)",
            "--include-dir " + native.package_name(),
        ] + (["--prefix " + prefix] if prefix else []) +
                       (["--namespace " + namespace] if namespace else []) +
                       ["--define " + d for d in defines]),
        message = "Compiling QAPI schema",
        visibility = visibility,
        tools = ["//schema/compiler:qapi-compiler"],
    )
    native.filegroup(
        name = name + "_reference",
        srcs = [page],
        visibility = ["//visibility:public"],
    )
    cc_library(
        name = name + "_help",
        srcs = help[1:],
        hdrs = help[:1],
        visibility = visibility,
    )
    cc_library(
        name = name,
        srcs = sources,
        hdrs = headers,
        visibility = visibility,
        deps = [
            "//schema/runtime",
            "//schema/runtime/json",
            "//vmm/base",
        ],
    )
