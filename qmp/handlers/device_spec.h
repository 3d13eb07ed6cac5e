// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// From the arguments of -device and device_add to a control::DeviceSpec, by the schema's table of
// devices: names checked, values typed, defaults and -global values filled in. The words of errors
// are QEMU's. Whether the id is in use, the bus exists and the values make sense is the machine's
// business. Pure.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "schema/runtime/device_type.h"
#include "schema/runtime/json/value.h"
#include "vmm/base/error.h"
#include "vmm/control/types.h"

namespace davit::qmp {

// -global driver.property=value
struct DeviceGlobal {
  std::string driver;
  std::string property;
  std::string value;
};

// In the order of the text; a repeated property: the last counts, but all are checked. For id,
// driver and bus the first counts, as in QEMU.
using DeviceTexts = std::vector<std::pair<std::string, std::string>>;
Result<control::DeviceSpec> DeviceSpecFromTexts(const DeviceTexts& texts,
                                                std::span<const DeviceGlobal> globals);
// -device's text in its parts, as device_add of the human monitor takes it too.
struct DeviceLine {
  DeviceTexts texts;
  bool help = false;  // asked for the properties, or without a driver for the drivers
};
using DeviceLineParser = std::function<Result<DeviceLine>(const std::string& text)>;

// device_add's arguments. As in QEMU a scalar of any type goes by its text ("nr": "3").
Result<control::DeviceSpec> DeviceSpecFromArguments(const json::Object& arguments,
                                                    std::span<const DeviceGlobal> globals);
// Values are held to their types.
Result<control::DeviceSpec> DeviceSpecFromJson(const json::Object& object,
                                               std::span<const DeviceGlobal> globals);

// The properties for people to read: "-device NAME,help". Error: no such device.
Result<std::string> DevicePropertiesText(std::string_view name);
// All devices by category: "-device help".
std::string DevicesText();

}  // namespace davit::qmp
