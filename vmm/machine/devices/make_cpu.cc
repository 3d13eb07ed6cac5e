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
  std::optional<control::PropertyValue> Property(std::string_view name) const override {
    if (name != "node-id") return std::nullopt;
    const std::optional<uint32_t> node = host_.NodeOfCpu(index_);
    return control::PropertyValue{node ? int64_t{*node} : int64_t{-1}};
  }
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
  // Only -1 is not given.
  if (const int64_t node = props.Int("node-id"); node != -1) ids.node = static_cast<int32_t>(node);
  const CpuHost::Device device{
      props.driver(), props.id(), props.path(),
      [unplugged = context.unplugged, path = props.path()] { unplugged(path); }};
  DAVIT_ASSIGN(const uint32_t index, context.cpu_host->PlugCpu(ids, device));
  return std::make_unique<CpuDevice>(*context.cpu_host, index);
}

}  // namespace davit::machine
