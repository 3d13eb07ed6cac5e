// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// qapi/qom.json.
#include "qmp/handlers/object_spec.h"
#include "qmp/handlers/parts.h"
#include "qmp/handlers/qom_types.h"
#include "qmp/handlers/qom_view.h"

namespace davit::qmp {

Result<std::vector<qapi::ObjectPropertyInfo>> QomHandlers::DeviceListProperties(
    Context&, const qapi::DeviceListPropertiesArgs& args) {
  return QomTypes(vm_, chardevs_).DeviceProperties(args.typename_);
}

Result<std::vector<qapi::ObjectPropertyInfo>> QomHandlers::QomListProperties(
    Context&, const qapi::QomListPropertiesArgs& args) {
  return QomTypes(vm_, chardevs_).Properties(args.typename_);
}

Result<std::vector<qapi::ObjectTypeInfo>> QomHandlers::QomListTypes(
    Context&, const qapi::QomListTypesArgs& args) {
  return QomTypes(vm_, chardevs_)
      .List(args.implements.value_or("object"), args.abstract.value_or(false));
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
