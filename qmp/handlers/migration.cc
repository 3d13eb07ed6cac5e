// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// qapi/migration.json and qapi/job.json.
#include "qmp/handlers/parts.h"

namespace davit::qmp {

Result<std::vector<qapi::JobInfo>> JobHandlers::QueryJobs(Context&) {
  return std::vector<qapi::JobInfo>();
}

Status MigrationHandlers::MigrateSetCapabilities(Context&,
                                                 const qapi::MigrateSetCapabilitiesArgs& args) {
  for (const qapi::MigrationCapabilityStatus& wanted : args.capabilities) {
    switch (wanted.capability) {
      case qapi::MigrationCapability::kEvents:
        events_ = wanted.state;
        break;
    }
  }
  return {};
}

Result<std::vector<qapi::MigrationCapabilityStatus>> MigrationHandlers::QueryMigrateCapabilities(
    Context&) {
  return std::vector<qapi::MigrationCapabilityStatus>{
      {qapi::MigrationCapability::kEvents, events_}};
}

}  // namespace davit::qmp
