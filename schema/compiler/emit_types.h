// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// types.h, types.cc: enums with their texts, structs, unions, alternates, the structs of arguments.
#pragma once

#include "schema/compiler/emitter.h"

namespace davit::schema {

void EmitTypes(const Schema& schema, const EmitOptions& options, OutputFiles& out);

}  // namespace davit::schema
