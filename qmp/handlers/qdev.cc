// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// qapi/qdev.json.
#include <algorithm>
#include <utility>

#include "qmp/handlers/device_spec.h"
#include "qmp/handlers/parts.h"

namespace davit::qmp {
namespace {

// Behind the first line stands what a person can do about it; as in QEMU, QMP does not have that.
Error WithoutHint(Error error) {
  error.message.resize(std::min(error.message.find('\n'), error.message.size()));
  return error;
}

}  // namespace

Result<json::Value> QdevHandlers::DeviceAdd(Context&, json::Object args) {
  const auto added = DeviceSpecFromArguments(args, globals_).and_then([this](const auto& spec) {
    return vm_.DeviceAdd(spec);
  });
  if (!added) return Fail(WithoutHint(added.error()));
  return json::Value(json::Object());
}

Status QdevHandlers::DeviceDel(Context&, const qapi::DeviceDelArgs& args) {
  return vm_.DeviceDel(args.id);
}

}  // namespace davit::qmp
