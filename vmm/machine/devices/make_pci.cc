// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What PCI devices share, and pcie-root-port. A port without an id calls its bus by the first free
// number, as QEMU does.
#include <fmt/format.h>

#include "vmm/machine/devices/makers.h"
#include "vmm/pci/root_port.h"

namespace davit::machine {

pci::FunctionOptions FunctionOptionsOf(const DeviceProperties& props) {
  return {.driver = props.driver(), .id = props.id(), .multifunction = props.Bool("multifunction")};
}

Result<MadeFunction> MakeRootPort(DeviceContext& context, const DeviceProperties& props,
                                  pci::HostBridge& host) {
  pci::RootPortConfig config{.function = FunctionOptionsOf(props), .bus_name = props.id()};
  for (unsigned n = 1; config.bus_name.empty(); ++n) {
    const std::string name = fmt::format("pcie.{}", n);
    if (host.FindBus(name) == nullptr) config.bus_name = name;
  }
  config.chassis = static_cast<uint8_t>(props.Uint("chassis"));
  config.slot = static_cast<uint16_t>(props.Uint("slot"));
  config.port = static_cast<uint8_t>(props.Uint("port"));
  config.hotplug = props.Bool("hotplug");
  config.power_controller = props.Bool("power_controller_present");
  config.powered_off = context.slot_off;
  return MadeFunction{std::make_unique<pci::RootPort>(config, host), {}};
}

}  // namespace davit::machine
