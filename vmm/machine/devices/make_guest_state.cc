// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// pvpanic-pci and i6300esb: by what the guest tells that it is not well.
#include "vmm/machine/devices/makers.h"
#include "vmm/pci/i6300esb.h"
#include "vmm/pci/pvpanic.h"

namespace davit::machine {

Result<MadeFunction> MakePvpanic(DeviceContext& context, const DeviceProperties& props,
                                 pci::HostBridge&) {
  pci::PvpanicConfig config{.function = FunctionOptionsOf(props),
                            .events = static_cast<uint8_t>(props.Uint("events")),
                            .panicked = context.guest_panicked,
                            .crash_loaded = context.guest_crash_loaded};
  return MadeFunction{std::make_unique<pci::Pvpanic>(std::move(config)), {}};
}

Result<MadeFunction> MakeI6300esb(DeviceContext& context, const DeviceProperties& props,
                                  pci::HostBridge&) {
  pci::I6300esbConfig config{.function = FunctionOptionsOf(props),
                             .expired = context.watchdog_expired};
  auto device = std::make_unique<pci::I6300esb>(std::move(config), context.loop);
  pci::I6300esb* const watchdog = device.get();
  return MadeFunction{std::move(device), [watchdog](bool on) { watchdog->OnRunning(on); }};
}

}  // namespace davit::machine
