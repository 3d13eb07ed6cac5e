// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// commands.h, commands.cc: an abstract class a module with one method a command, the struct
// Handlers, and the table that decodes arguments, calls the method and encodes what it returns.
#pragma once

#include "schema/compiler/emitter.h"

namespace davit::schema {

void EmitCommands(const Schema& schema, const EmitOptions& options, OutputFiles& out);

}  // namespace davit::schema
