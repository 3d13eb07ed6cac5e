// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// vmcoreinfo.
#include <utility>

#include "vmm/devices/vmcoreinfo.h"
#include "vmm/machine/devices/makers.h"

namespace davit::machine {
namespace {

class VmCoreInfoDevice final : public PlainDevice {
 public:
  explicit VmCoreInfoDevice(std::unique_ptr<devices::VmCoreInfo> device)
      : device_(std::move(device)) {}
  void Reset() override { device_->Reset(); }

 private:
  const std::unique_ptr<devices::VmCoreInfo> device_;
};

}  // namespace

MadePlain MakeVmCoreInfo(DeviceContext& context, const DeviceProperties& props) {
  if (context.has_device(props.driver())) {
    return Fail("at most one vmcoreinfo device is permitted");
  }
  if (context.fw_cfg == nullptr) return Fail("vmcoreinfo device requires fw_cfg with DMA");
  DAVIT_ASSIGN(auto device, devices::VmCoreInfo::Create(*context.fw_cfg));
  return std::make_unique<VmCoreInfoDevice>(std::move(device));
}

}  // namespace davit::machine
