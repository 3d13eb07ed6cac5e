// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The table of emitters: one row each.
#include "schema/compiler/emit_client.h"
#include "schema/compiler/emit_codecs.h"
#include "schema/compiler/emit_commands.h"
#include "schema/compiler/emit_devices.h"
#include "schema/compiler/emit_docs.h"
#include "schema/compiler/emit_events.h"
#include "schema/compiler/emit_help.h"
#include "schema/compiler/emit_introspect.h"
#include "schema/compiler/emit_types.h"
#include "schema/compiler/emitter.h"

namespace davit::schema {
namespace {

constexpr Emitter kEmitters[] = {
    {"types", EmitTypes},
    {"codecs", EmitCodecs},
    {"commands", EmitCommands},
    {"events", EmitEvents},
    {"introspect", EmitIntrospect},
    {"client", EmitClient},
    {"devices", EmitDevices},
    {"docs", EmitDocs},
    {"help", EmitHelp},
};

}  // namespace

std::span<const Emitter> Emitters() { return kEmitters; }

}  // namespace davit::schema
