// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The table of emitters: one row each.
#include "schema/compiler/emitter.h"

namespace davit::schema {
namespace {

constexpr Emitter kEmitters[] = {
    {"none", [](const Schema&, const EmitOptions&, OutputFiles&) {}},
};

}  // namespace

std::span<const Emitter> Emitters() { return kEmitters; }

}  // namespace davit::schema
