// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// qapi/acpi.json.
#include "qmp/handlers/acpi.h"

#include "qmp/handlers/parts.h"

namespace davit::qmp {

qapi::ACPIOSTInfo ToQapi(const control::AcpiSlotStatus& status) {
  qapi::ACPIOSTInfo info;
  if (!status.device.empty()) info.device = status.device;
  info.slot = status.slot;
  info.slot_type = status.type == control::AcpiSlotStatus::Type::kDimm ? qapi::ACPISlotType::kDimm
                                                                       : qapi::ACPISlotType::kCpu;
  info.source = status.source;
  info.status = status.status;
  return info;
}

Result<std::vector<qapi::ACPIOSTInfo>> AcpiHandlers::QueryAcpiOspmStatus(Context&) {
  DAVIT_ASSIGN(const std::vector<control::AcpiSlotStatus> slots, vm_.AcpiOspmStatus());
  std::vector<qapi::ACPIOSTInfo> rows;
  rows.reserve(slots.size());
  for (const control::AcpiSlotStatus& slot : slots) rows.push_back(ToQapi(slot));
  return rows;
}

}  // namespace davit::qmp
