// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// devices.h, devices.cc: the table of drivers and their properties (schema/runtime/device_type.h).
#pragma once

#include "schema/compiler/emitter.h"

namespace davit::schema {

void EmitDevices(const Schema& schema, const EmitOptions& options, OutputFiles& out);

}  // namespace davit::schema
