// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What an emitter is: a pure function from the const IR to files. Adding one: a pair emit_x.h/.cc
// that defines `void EmitX(const Schema&, const EmitOptions&, OutputFiles&)`, one row in
// registry.cc, and its outputs in schema/defs.bzl. Emitters cannot fail: the checker refuses
// first what they could not express.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>

#include "schema/compiler/ir.h"

namespace davit::schema {

struct EmitOptions {
  std::string prefix;       // put before every file name
  std::string include_dir;  // workspace path of the outputs, "schema/qapi"; "" = none
  std::string cpp_namespace = "davit::qapi";

  // The text between the quotes of an #include of an output: IncludePath("types.h").
  std::string IncludePath(std::string_view file) const {
    const std::string dir = include_dir.empty() ? "" : include_dir + "/";
    return dir + prefix + std::string(file);
  }
};

// File name (without the prefix) -> whole contents. Sorted, so that writing is deterministic.
using OutputFiles = std::map<std::string, std::string>;

using EmitFunction = void (*)(const Schema&, const EmitOptions&, OutputFiles&);

struct Emitter {
  std::string_view name;  // "types": `--emit types` runs it alone
  EmitFunction emit;
};

// registry.cc: all emitters in the order they run.
std::span<const Emitter> Emitters();

}  // namespace davit::schema
