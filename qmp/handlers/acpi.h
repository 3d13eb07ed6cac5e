// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A slot's report as query-acpi-ospm-status and ACPI_DEVICE_OST show it. Pure.
#pragma once

#include "schema/qapi/types.h"
#include "vmm/control/types.h"

namespace davit::qmp {

qapi::ACPIOSTInfo ToQapi(const control::AcpiSlotStatus& status);

}  // namespace davit::qmp
