// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// qapi/qom.json.
#include <fmt/format.h>

#include "qmp/handlers/object_spec.h"
#include "qmp/handlers/parts.h"
#include "qmp/handlers/qom_view.h"
#include "schema/qapi/devices.h"

namespace davit::qmp {

Result<std::vector<qapi::ObjectPropertyInfo>> QomHandlers::DeviceListProperties(
    Context&, const qapi::DeviceListPropertiesArgs& args) {
  const qapi::DeviceType* type = qapi::FindDeviceType(qapi::DeviceTypes(), args.typename_);
  if (type == nullptr || type->name != args.typename_) {  // an alias is no type
    return Fail(ErrorCode::kDeviceNotFound, fmt::format("Device '{}' not found", args.typename_));
  }
  std::vector<qapi::ObjectPropertyInfo> infos;
  for (const qapi::DeviceProperty& property : type->properties) {
    qapi::ObjectPropertyInfo& info = infos.emplace_back();
    info.name = property.name;
    info.type = property.type;
    if (!property.description.empty()) info.description = std::string(property.description);
    info.default_value = qapi::DefaultOf(property);
  }
  return infos;
}

Status QomHandlers::ObjectAdd(Context&, const qapi::ObjectOptions& args) {
  return vm_.ObjectAdd(ToObjectSpec(args));
}

Status QomHandlers::ObjectDel(Context&, const qapi::ObjectDelArgs& args) {
  return vm_.ObjectDel(args.id);
}

Result<std::vector<qapi::ObjectPropertyInfo>> QomHandlers::QomList(Context&,
                                                                   const qapi::QomListArgs& args) {
  return ListObject(vm_, args.path);
}

Result<json::Value> QomHandlers::QomGet(Context&, const qapi::QomGetArgs& args) {
  return GetProperty(vm_, args.path, args.property);
}

Status QomHandlers::QomSet(Context&, const qapi::QomSetArgs& args) {
  return SetProperty(vm_, args.path, args.property, args.value);
}

}  // namespace davit::qmp
