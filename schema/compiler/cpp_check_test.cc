// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Collisions of C++ names.
#include "schema/compiler/cpp_check.h"

#include <gtest/gtest.h>

#include "schema/compiler/compile.h"

namespace davit::schema {
namespace {

std::string Complaint(const std::string& text) {
  const FileReader reader = [&](const std::string&) -> Result<std::string> { return text; };
  const Result<Schema> schema = LoadSchema("a.json", reader, {});
  if (!schema) return schema.error().message;
  const Status status = CheckCppNames(*schema);
  return status ? "" : status.error().message;
}

TEST(CppCheck, NothingToComplainAbout) {
  EXPECT_EQ(Complaint("{ 'struct': 'Foo', 'data': { 'bar': 'str', 'default': 'int' } }\n"
                      "{ 'enum': 'Bar', 'data': [ 'foo', 'bar' ] }\n"
                      "{ 'command': 'stop' }\n"
                      "{ 'event': 'STOP', 'data': { 'foo': 'Foo' } }\n"),
            "");
}

TEST(CppCheck, CommandsAndEventsMayBeNamedAsTypes) {
  EXPECT_EQ(Complaint("{ 'struct': 'Stop', 'data': {} }\n"
                      "{ 'command': 'stop' }\n"
                      "{ 'event': 'STOP' }\n"),
            "");
}

TEST(CppCheck, CommandNamedAsWhatGeneratedCodeNeeds) {
  EXPECT_EQ(
      Complaint("{ 'command': 'status' }\n"),
      "a.json:1: In command 'status': its C++ name 'Status' is that of something that generated "
      "code needs");
}

TEST(CppCheck, CommandsThatDifferInSeparators) {
  EXPECT_EQ(Complaint("{ 'pragma': { 'command-name-exceptions': [ 'go_on' ] } }\n"
                      "{ 'command': 'go-on' }\n{ 'command': 'go_on' }\n"),
            "a.json:3: In command 'go_on': its C++ name 'GoOn' is that of command 'go-on'");
}

TEST(CppCheck, TypeNamedAsArguments) {
  EXPECT_EQ(Complaint("{ 'command': 'stop', 'data': { 'a': 'str' } }\n"
                      "{ 'struct': 'StopArgs', 'data': {} }\n"),
            "a.json:2: In type 'StopArgs': its C++ name 'StopArgs' is that of arguments "
            "q_obj_stop-arg");
}

TEST(CppCheck, TypeNamedAsWhatGeneratedCodeNeeds) {
  EXPECT_EQ(Complaint("{ 'enum': 'Status', 'data': [] }\n"),
            "a.json:1: In type 'Status': its C++ name 'Status' is that of something that generated "
            "code needs");
}

TEST(CppCheck, ValuesThatDifferInSeparators) {
  EXPECT_EQ(
      Complaint("{ 'enum': 'Foo', 'data': [ 'x1-2', 'x12', 'x1' ] }\n"),
      "a.json:1: In value 'x12' of type 'Foo': its C++ name 'kX12' is that of value 'x1-2' of "
      "type 'Foo'");
}

}  // namespace
}  // namespace davit::schema
