// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Emitter of the QMP reference: qmp-reference.md, one Markdown page with an anchor for every
// definition ("#command-stop", "#event-STOP", "#type-RunState") and links between them.
#pragma once

#include <string>
#include <string_view>

#include "schema/compiler/emitter.h"

namespace davit::schema {

void EmitDocs(const Schema& schema, const EmitOptions& options, OutputFiles& files);

// Text of a doc comment as Markdown: @name becomes a link or code, "::" blocks become fenced
// blocks, and what Markdown would take for HTML is escaped.
std::string DocTextToMarkdown(const Schema& schema, std::string_view text);

}  // namespace davit::schema
