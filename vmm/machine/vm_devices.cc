// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See vm_impl.h: the verbs that go to devices made by name.
#include <fmt/format.h>

#include "vmm/machine/vm_impl.h"
#include "vmm/virtio/balloon/balloon.h"

namespace davit::machine {

Result<virtio::Balloon*> VmImpl::FindBalloon() const {
  virtio::VirtioDevice* const device =
      devices_ != nullptr ? devices_->FindVirtio(virtio::kIdBalloon) : nullptr;
  if (device != nullptr) return static_cast<virtio::Balloon*>(device);
  return Fail(ErrorCode::kDeviceNotActive, "No balloon device has been activated");
}

Status VmImpl::SetBalloon(uint64_t target_bytes) {
  DAVIT_ASSIGN(virtio::Balloon* const balloon, FindBalloon());
  balloon->SetTarget(target_bytes);
  return {};
}

Result<uint64_t> VmImpl::BalloonActual() const {
  DAVIT_ASSIGN(virtio::Balloon* const balloon, FindBalloon());
  return balloon->Actual();
}

Status VmImpl::DeviceAdd(const control::DeviceSpec& spec) {
  if (devices_ == nullptr) {
    if (BusTypeOf(spec.driver).empty()) {
      return Fail(fmt::format("Device '{}' can not be hotplugged on this machine", spec.driver));
    }
    return Fail(
        fmt::format("No '{}' bus found for device '{}'", BusTypeOf(spec.driver), spec.driver));
  }
  return devices_->HotAdd(spec);
}

Status VmImpl::DeviceDel(const std::string& id) {
  if (devices_ == nullptr) {
    return Fail(ErrorCode::kDeviceNotFound, fmt::format("Device '{}' not found", id));
  }
  // A CPU that the machine has started with is no device of its own.
  const auto cpu = cpu_slots_->FindPresent(id);
  if (cpu && !cpu_slots_->at(*cpu).ejected) return RequestCpuRemoval(*cpu);
  Status asked = devices_->Unplug(id);
  // A path may name something else.
  if (!asked && asked.error().code == ErrorCode::kDeviceNotFound && id.starts_with('/') &&
      QomFind(id)) {
    return Fail(fmt::format("{} is not a hotpluggable device", id));
  }
  return asked;
}

}  // namespace davit::machine
