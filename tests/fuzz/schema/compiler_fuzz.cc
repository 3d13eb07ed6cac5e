// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The schema compiler under arbitrary schema text: an IR that every emitter can print, or an error.
// Include directives find no file.
#include <cstdint>
#include <string>

#include "schema/compiler/compile.h"
#include "schema/compiler/cpp_check.h"
#include "schema/compiler/emitter.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const davit::schema::FileReader reader =
      [&](const std::string& path) -> davit::Result<std::string> {
    if (path == "fuzz.json") return text;
    return davit::Fail("No such file or directory");
  };
  const auto schema = davit::schema::LoadSchema("fuzz.json", reader, {"HERE"});
  if (!schema || !davit::schema::CheckCppNames(*schema)) return 0;
  for (const davit::schema::Emitter& emitter : davit::schema::Emitters()) {
    davit::schema::OutputFiles files;
    emitter.emit(*schema, davit::schema::EmitOptions{}, files);
  }
  return 0;
}
