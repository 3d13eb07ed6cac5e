// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// events.h, events.cc: one function an event that makes its name and data.
#pragma once

#include "schema/compiler/emitter.h"

namespace davit::schema {

void EmitEvents(const Schema& schema, const EmitOptions& options, OutputFiles& out);

}  // namespace davit::schema
