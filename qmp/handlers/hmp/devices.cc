// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See devices.h.
#include "qmp/handlers/hmp/devices.h"

#include <algorithm>

namespace davit::qmp::hmp {

Status AddDevice(Call& call) {
  DAVIT_ASSIGN(const DeviceLine line, call.devices.parse_line(call.maybe.value_or("")));
  if (!line.help) {
    DAVIT_ASSIGN(const control::DeviceSpec spec,
                 DeviceSpecFromTexts(line.texts, call.devices.globals));
    return call.vm.DeviceAdd(spec);
  }
  const auto driver = std::find_if(line.texts.begin(), line.texts.end(),
                                   [](const auto& text) { return text.first == "driver"; });
  if (driver == line.texts.end()) {
    call.out += DevicesText();
    return {};
  }
  DAVIT_ASSIGN(const std::string text, DevicePropertiesText(driver->second));
  call.out += text;
  return {};
}

Status DeleteDevice(Call& call) { return call.vm.DeviceDel(call.text); }

}  // namespace davit::qmp::hmp
