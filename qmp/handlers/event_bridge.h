// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// control::Event -> the QMP event of the schema.
#pragma once

#include "schema/runtime/event.h"
#include "vmm/control/events.h"

namespace davit::qmp {

qapi::Event ToQapiEvent(const control::Event& event);

}  // namespace davit::qmp
