// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Emitter of the commands' documentation for a terminal: help.h/.cc with CommandHelp(name).
#pragma once

#include <string>

#include "schema/compiler/emitter.h"

namespace davit::schema {

void EmitHelp(const Schema& schema, const EmitOptions& options, OutputFiles& files);

// What the doc comment of a command says of it and its arguments, and those of the type that holds
// them: plain text, each line ended.
std::string HelpOf(const Command& command);

}  // namespace davit::schema
