// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The qapi-compiler program: exit status, messages, files.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <filesystem>

#include "schema/compiler/source.h"

namespace davit::schema {
namespace {

constexpr char kTestdata[] = "schema/compiler/testdata/";

struct Outcome {
  int status = -1;
  std::string output;  // stdout and stderr
};

Outcome RunCompiler(const std::string& arguments) {
  const std::string command = "schema/compiler/qapi-compiler " + arguments + " 2>&1";
  FILE* pipe = popen(command.c_str(), "r");
  Outcome outcome;
  std::array<char, 4096> buffer;
  while (const size_t n = fread(buffer.data(), 1, buffer.size(), pipe)) {
    outcome.output.append(buffer.data(), n);
  }
  const int status = pclose(pipe);
  outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return outcome;
}

std::string TempDir(const std::string& name) {
  const std::string path = testing::TempDir() + "/" + name;
  std::filesystem::remove_all(path);
  return path;
}

TEST(Cli, WritesTheSameFilesTwice) {
  const std::string schema = std::string(kTestdata) + "emit/introspect.json";
  std::string first;
  for (const char* name : {"one", "two"}) {
    const std::string dir = TempDir(name);
    const Outcome outcome =
        RunCompiler("--schema " + schema + " --out-dir " + dir + "/deep --prefix p-");
    EXPECT_EQ(outcome.status, 0) << outcome.output;
    EXPECT_EQ(outcome.output, "");
    const Result<std::string> text = ReadFileFromDisk(dir + "/deep/p-introspect.cc");
    ASSERT_TRUE(text.has_value()) << text.error().message;
    if (first.empty()) first = *text;
    EXPECT_EQ(first, *text);
  }
}

TEST(Cli, BadSchemaExitsOneAndWritesNothing) {
  const std::string schema = std::string(kTestdata) + "errors/command-data-unknown.json";
  const std::string dir = TempDir("bad");
  const Outcome outcome = RunCompiler("--schema " + schema + " --out-dir " + dir);
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.output,
            schema + ":4: In command 'foo': command's 'data' uses unknown type 'Missing'\n");
  EXPECT_FALSE(std::filesystem::exists(dir));
}

TEST(Cli, DefineSelects) {
  const std::string schema = std::string(kTestdata) + "golden/if.json";
  const Outcome with = RunCompiler("--schema " + schema + " --dump --define HERE");
  EXPECT_NE(with.output.find("command here"), std::string::npos) << with.output;
  const Outcome without = RunCompiler("--schema " + schema + " --dump");
  EXPECT_EQ(without.output.find("command here"), std::string::npos) << without.output;
}

TEST(Cli, EmitSelects) {
  const std::string dir = TempDir("docs");
  const std::string schema = std::string(kTestdata) + "emit/docs.json";
  EXPECT_EQ(RunCompiler("--schema " + schema + " --out-dir " + dir + " --emit docs").status, 0);
  EXPECT_TRUE(std::filesystem::exists(dir + "/qmp-reference.md"));
  EXPECT_FALSE(std::filesystem::exists(dir + "/introspect.cc"));
  const Outcome unknown = RunCompiler("--schema " + schema + " --out-dir " + dir + " --emit x86");
  EXPECT_EQ(unknown.status, 1);
  EXPECT_EQ(unknown.output, "no emitter 'x86'\n");
}

TEST(Cli, ArgumentErrorsNameTheArgument) {
  EXPECT_EQ(RunCompiler("").output.find("--schema is missing"), 0u);
  EXPECT_EQ(RunCompiler("--schema x.json").output.find("--out-dir is missing"), 0u);
  EXPECT_EQ(RunCompiler("--fast").output.find("unknown argument '--fast'"), 0u);
  EXPECT_EQ(RunCompiler("--schema").output.find("--schema needs a value"), 0u);
  EXPECT_EQ(RunCompiler("--fast").status, 1);
}

TEST(Cli, UnwritableFolderIsNamed) {
  const std::string schema = std::string(kTestdata) + "emit/docs.json";
  const Outcome outcome = RunCompiler("--schema " + schema + " --out-dir /proc/davit");
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.output.find("/proc/davit: "), 0u) << outcome.output;
}

}  // namespace
}  // namespace davit::schema
