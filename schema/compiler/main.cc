// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// qapi-compiler: a QAPI schema to C++ and documentation. Exit status 0, or 1 after a message on
// stderr. Nothing is written unless the whole schema is good.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "schema/compiler/compile.h"
#include "schema/compiler/cpp_check.h"
#include "schema/compiler/emitter.h"

namespace davit::schema {
namespace {

constexpr std::string_view kUsage =
    "usage: qapi-compiler --schema FILE --out-dir DIR [OPTION...]\n"
    "  --schema FILE       root file of the schema\n"
    "  --out-dir DIR       where the files go; made if missing\n"
    "  --prefix P          put before the name of every file\n"
    "  --include-dir DIR   how the outputs name their folder in #include\n"
    "  --namespace NS      C++ namespace of the outputs (davit::qapi)\n"
    "  --define NAME       makes the `if` condition NAME true; repeatable\n"
    "  --emit NAME         run this emitter only; repeatable\n"
    "  --dump              print the checked schema and write nothing\n";

struct Arguments {
  std::string schema;
  std::string out_dir;
  EmitOptions options;
  Defines defines;
  std::vector<std::string> emitters;
  bool dump = false;
};

Result<Arguments> ParseArguments(int argc, char** argv) {
  Arguments out;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--dump") {
      out.dump = true;
      continue;
    }
    std::string* target = nullptr;
    std::string repeated;
    if (name == "--schema") target = &out.schema;
    if (name == "--out-dir") target = &out.out_dir;
    if (name == "--prefix") target = &out.options.prefix;
    if (name == "--include-dir") target = &out.options.include_dir;
    if (name == "--namespace") target = &out.options.cpp_namespace;
    if (name == "--define" || name == "--emit") target = &repeated;
    if (target == nullptr) return Fail(fmt::format("unknown argument '{}'\n{}", name, kUsage));
    if (++i == argc) return Fail(fmt::format("{} needs a value\n{}", name, kUsage));
    *target = argv[i];
    if (name == "--define") out.defines.insert(repeated);
    if (name == "--emit") out.emitters.push_back(repeated);
  }
  if (out.schema.empty()) return Fail(fmt::format("--schema is missing\n{}", kUsage));
  if (out.out_dir.empty() && !out.dump) {
    return Fail(fmt::format("--out-dir is missing\n{}", kUsage));
  }
  return out;
}

Result<OutputFiles> Emit(const Schema& schema, const Arguments& arguments) {
  OutputFiles files;
  size_t ran = 0;
  for (const Emitter& emitter : Emitters()) {
    const auto& only = arguments.emitters;
    if (!only.empty() && std::find(only.begin(), only.end(), emitter.name) == only.end()) continue;
    emitter.emit(schema, arguments.options, files);
    ++ran;
  }
  if (!arguments.emitters.empty() && ran == 0) {
    return Fail(fmt::format("no emitter '{}'", arguments.emitters.front()));
  }
  return files;
}

Status WriteFiles(const OutputFiles& files, const Arguments& arguments) {
  std::error_code error;
  std::filesystem::create_directories(arguments.out_dir, error);
  if (error) return Fail(fmt::format("{}: {}", arguments.out_dir, error.message()));
  for (const auto& [name, contents] : files) {
    const std::string path =
        fmt::format("{}/{}{}", arguments.out_dir, arguments.options.prefix, name);
    std::ofstream stream(path, std::ios::binary | std::ios::trunc);
    stream << contents;
    stream.close();
    if (!stream) return FailErrno(path);
  }
  return {};
}

Status Run(int argc, char** argv) {
  DAVIT_ASSIGN(const Arguments arguments, ParseArguments(argc, argv));
  DAVIT_ASSIGN(const Schema schema,
               LoadSchema(arguments.schema, ReadFileFromDisk, arguments.defines));
  if (arguments.dump) {
    std::cout << DumpSchema(schema) << std::flush;
    return {};
  }
  DAVIT_TRY(CheckCppNames(schema));
  DAVIT_ASSIGN(const OutputFiles files, Emit(schema, arguments));
  return WriteFiles(files, arguments);
}

}  // namespace
}  // namespace davit::schema

int main(int argc, char** argv) {
  try {
    const davit::Status status = davit::schema::Run(argc, argv);
    if (status) return 0;
    std::cerr << status.error().message << '\n';
  } catch (const std::exception& error) {
    std::cerr << "qapi-compiler: " << error.what() << '\n';
  }
  return 1;
}
