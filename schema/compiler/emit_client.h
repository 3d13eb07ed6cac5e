// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// client.h, client.cc: one function a command that sends it through a Caller and decodes the reply.
#pragma once

#include "schema/compiler/emitter.h"

namespace davit::schema {

void EmitClient(const Schema& schema, const EmitOptions& options, OutputFiles& out);

}  // namespace davit::schema
