// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// qapi/qdev.json.
#include "qmp/handlers/device_spec.h"
#include "qmp/handlers/parts.h"

namespace davit::qmp {

Result<json::Value> QdevHandlers::DeviceAdd(Context&, json::Object args) {
  DAVIT_ASSIGN(const control::DeviceSpec spec, DeviceSpecFromArguments(args, globals_));
  DAVIT_TRY(vm_.DeviceAdd(spec));
  return json::Value(json::Object());
}

Status QdevHandlers::DeviceDel(Context&, const qapi::DeviceDelArgs& args) {
  return vm_.DeviceDel(args.id);
}

}  // namespace davit::qmp
