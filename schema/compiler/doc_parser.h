// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Documentation comments, from one "##" line to the next (QEMU docs/devel/qapi-code-gen,
// "Documentation comments"). Whether the names in them exist is the checker's business.
#pragma once

#include <vector>

#include "schema/compiler/ast.h"
#include "schema/compiler/lexer.h"

namespace davit::schema {

// The lexer stands at the opening "##"; leaves it after the closing one. Several when headings
// split a free-form comment; never empty.
std::vector<DocComment> ParseDocComment(Lexer& lexer);

}  // namespace davit::schema
