// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Front end: parse, check each definition, check the whole, lower.
#include "schema/compiler/compile.h"

#include "schema/compiler/parser.h"

namespace davit::schema {

Result<Schema> LoadSchema(const std::string& path, const FileReader& reader,
                          const Defines& defines) {
  try {
    const ParsedSchema parsed = ParseSchema(path, reader);
    Model model;
    for (const TopLevel& item : parsed.items) {
      if (!item.is_doc) ReadDefinition(item, parsed.pragmas, defines, model);
    }
    CheckModel(parsed, model);
    return LowerModel(parsed, model);
  } catch (const CompileError& error) {
    return Fail(error.text());
  }
}

}  // namespace davit::schema
