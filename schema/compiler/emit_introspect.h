// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Emitter of query-qmp-schema's answer: introspect.h/.cc with IntrospectionJson().
#pragma once

#include <string>
#include <vector>

#include "schema/compiler/emitter.h"

namespace davit::schema {

void EmitIntrospect(const Schema& schema, const EmitOptions& options, OutputFiles& files);

// The SchemaInfo objects as JSON text, one string each: commands and events in schema order, then
// the types that they use in order of first use, names of types masked as QEMU masks them.
std::vector<std::string> IntrospectionEntries(const Schema& schema);

}  // namespace davit::schema
