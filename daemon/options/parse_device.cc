// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// -device and -global. Devices are looked at when the whole command line is known, since a -global
// that comes later counts too.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "daemon/options/parse.h"
#include "daemon/options/table.h"
#include "qmp/handlers/device_spec.h"
#include "schema/qapi/devices.h"

namespace davit::daemon {
namespace {

using machine::GlobalConfig;

bool IsDevice(std::string_view driver) {
  return qapi::FindDeviceType(qapi::DeviceTypes(), driver) != nullptr;
}

// "driver.property": the short form. The driver's name has no dot.
Status ShortGlobal(const ParamList& list, GlobalConfig& global) {
  for (const auto& [key, value] : list.entries()) {
    const size_t dot = key.find('.');
    if (dot == std::string::npos || dot == 0 || list.entries().size() != 1) {
      return Fail(fmt::format("Invalid parameter '{}'", key));
    }
    global.driver = key.substr(0, dot);
    global.property = key.substr(dot + 1);
    global.value = value;
  }
  return {};
}

Status AddDevice(ParseContext& context, const PendingDevice& device,
                 std::span<const qmp::DeviceGlobal> globals) {
  const ParamList& list = device.list;
  const json::Object* object = list.json ? list.json->AsObject() : nullptr;
  DAVIT_ASSIGN(control::DeviceSpec spec, object != nullptr
                                             ? qmp::DeviceSpecFromJson(*object, globals)
                                             : qmp::DeviceSpecFromTexts(list.entries(), globals));
  auto& devices = context.options.machine.devices;
  const bool twice = !spec.id.empty() && std::any_of(devices.begin(), devices.end(),
                                                     [&](const machine::DeviceConfig& other) {
                                                       return other.spec.id == spec.id;
                                                     });
  if (twice) return Fail(fmt::format("Duplicate ID '{}' for device", spec.id));
  devices.push_back({device.where, std::move(spec)});
  return {};
}

tl::unexpected<Error> At(const std::string& where, Error error) {
  error.message = fmt::format("{}: {}", where, error.message);
  return Fail(std::move(error));
}

}  // namespace

Status ApplyDevice(ParseContext& context, ParamList& list) {
  if (!list.help) {
    context.devices.push_back({context.where, std::move(list)});
    return {};
  }
  if (!list.Has("driver")) {
    context.options.show = Show::kDevices;
    return {};
  }
  const std::string driver = list.Get("driver");
  DAVIT_TRY(qmp::DevicePropertiesText(driver));
  context.options.show = Show::kDeviceProperties;
  context.options.show_option = driver;
  return {};
}

Result<qmp::DeviceLine> ParseDeviceLine(const std::string& text) {
  DAVIT_ASSIGN(const ParamList list, SplitParams(text, kDeviceSchema, nullptr));
  return qmp::DeviceLine{list.entries(), list.help};
}

Status ApplyGlobal(ParseContext& context, ParamList& list) {
  GlobalConfig global{context.where, list.Get("driver"), list.Get("property"), list.Get("value")};
  if (!list.Has("driver") && !list.Has("property") && !list.Has("value")) {
    DAVIT_TRY(ShortGlobal(list, global));
  }
  if (global.driver.empty() || global.property.empty() ||
      (list.Has("driver") && !list.Has("value"))) {
    return Fail("options 'driver', 'property', and 'value' are required");
  }
  context.globals.push_back(std::move(global));
  return {};
}

Status FinishDevices(ParseContext& context) {
  std::vector<qmp::DeviceGlobal>& globals = context.options.device_globals;
  for (GlobalConfig& global : context.globals) {
    if (IsDevice(global.driver)) {
      globals.push_back({global.driver, global.property, global.value});
    } else {
      context.options.machine.globals.push_back(std::move(global));
    }
  }
  for (const PendingDevice& device : context.devices) {
    if (Status added = AddDevice(context, device, globals); !added) {
      return At(device.where, std::move(added).error());
    }
  }
  return {};
}

}  // namespace davit::daemon
