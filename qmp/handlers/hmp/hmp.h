// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The human monitor as human-monitor-command offers it: one command line in, text out, in QEMU's
// formats. A table row (commands.cc) is a command: names, argument, help, function. Owner: control
// thread.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "qmp/handlers/device_spec.h"
#include "vmm/base/error.h"
#include "vmm/control/block_control.h"
#include "vmm/control/chardev_control.h"
#include "vmm/control/net_control.h"
#include "vmm/control/vm_control.h"

namespace davit::qmp {

// How device_add's text becomes a device.
struct HmpDevices {
  DeviceLineParser parse_line;
  std::vector<DeviceGlobal> globals;
};

class Hmp {
 public:
  // References must outlive it. `version` is what "info version" prints.
  Hmp(control::VmControl& vm, control::ChardevControl& chardevs, control::BlockControl& blocks,
      control::NetControl& net, std::string version, HmpDevices devices)
      : vm_(vm),
        chardevs_(chardevs),
        blocks_(blocks),
        net_(net),
        version_(std::move(version)),
        devices_(std::move(devices)) {}

  // The output, lines ended by CR LF; faults of the command line are part of it. Error: there is no
  // CPU `cpu_index`.
  Result<std::string> Execute(const std::string& line, std::optional<int64_t> cpu_index) const;

 private:
  control::VmControl& vm_;
  control::ChardevControl& chardevs_;
  control::BlockControl& blocks_;
  control::NetControl& net_;
  std::string version_;
  HmpDevices devices_;
};

}  // namespace davit::qmp
