// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// codecs.h, codecs.cc: DecodeValue, DecodeMembers, Encode and EncodeMembers of every type, on top
// of schema/runtime/codec.h.
#pragma once

#include "schema/compiler/emitter.h"

namespace davit::schema {

void EmitCodecs(const Schema& schema, const EmitOptions& options, OutputFiles& out);

}  // namespace davit::schema
