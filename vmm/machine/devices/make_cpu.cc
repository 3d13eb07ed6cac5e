// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// CPUs: the device stands for one that the machine has made.
#include "vmm/machine/cpu_host.h"
#include "vmm/machine/devices/makers.h"

namespace davit::machine {
namespace {

class CpuDevice final : public PlainDevice {
 public:
  CpuDevice(CpuHost& host, uint32_t index) : host_(host), index_(index) {}
  ~CpuDevice() override { host_.UnplugCpu(index_); }
  Result<bool> AskUnplug() override {
    DAVIT_TRY(host_.RequestCpuRemoval(index_));
    return false;
  }

 private:
  CpuHost& host_;
  const uint32_t index_;
};

std::optional<uint32_t> IdOf(const DeviceProperties& props, const char* name) {
  const int64_t id = props.Int(name);
  return id < 0 ? std::nullopt : std::optional(static_cast<uint32_t>(id));
}

}  // namespace

MadePlain MakeCpu(DeviceContext& context, const DeviceProperties& props) {
  CpuIds ids{IdOf(props, "socket-id"), IdOf(props, "die-id"), IdOf(props, "core-id"),
             IdOf(props, "thread-id"), std::nullopt};
  const uint64_t apic = props.Uint("apic-id");
  if (apic != UINT32_MAX) ids.apic = static_cast<uint32_t>(apic);
  const CpuHost::Device device{
      props.driver(), props.id(), props.path(),
      [unplugged = context.unplugged, path = props.path()] { unplugged(path); }};
  DAVIT_ASSIGN(const uint32_t index, context.cpu_host->PlugCpu(ids, device));
  return std::make_unique<CpuDevice>(*context.cpu_host, index);
}

}  // namespace davit::machine
