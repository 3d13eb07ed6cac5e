// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Recursive-descent parser of schema files; follows include directives, collects pragmas.
#pragma once

#include "schema/compiler/ast.h"

namespace davit::schema {

// Parses `root` and all it includes. Raises CompileError.
ParsedSchema ParseSchema(const std::string& root, const FileReader& reader);

}  // namespace davit::schema
