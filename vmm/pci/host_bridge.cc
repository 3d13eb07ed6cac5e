// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See host_bridge.h.
#include "vmm/pci/host_bridge.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "vmm/base/endian.h"
#include "vmm/base/log.h"
#include "vmm/pci/bridge.h"

namespace davit::pci {
namespace {

constexpr uint64_t kAddressPort = 0xcf8;
constexpr uint64_t kPorts = 8;
constexpr uint32_t kAddressEnable = 0x80000000;
constexpr uint64_t kEcamBytesPerBus = 1 << 20;

Bus* FindNumber(Bus& bus, uint8_t number) {
  for (unsigned i = 0; i < 256; ++i) {
    Function* function = bus.Find(static_cast<uint8_t>(i));
    Bridge* bridge = function ? function->as_bridge() : nullptr;
    if (bridge == nullptr) continue;
    if (number < bridge->secondary_number() || number > bridge->subordinate_number()) continue;
    if (number == bridge->secondary_number()) return &bridge->secondary();
    if (Bus* found = FindNumber(bridge->secondary(), number)) return found;
  }
  return nullptr;
}

void Collect(const Bus& bus, std::vector<Function*>& all) {
  for (Function* function : bus.functions()) {
    all.push_back(function);
    if (Bridge* bridge = function->as_bridge()) Collect(bridge->secondary(), all);
  }
}

}  // namespace

HostBridge::HostBridge(const HostBridgeDeps& deps, std::string root_name)
    : deps_(deps), root_(*this, nullptr, std::move(root_name), 32) {}

HostBridge::~HostBridge() {
  if (ports_claimed_) (void)deps_.ports.Release(kAddressPort);
  if (ecam_base_) (void)deps_.mmio.Release(*ecam_base_);
}

Status HostBridge::ClaimPorts() {
  DAVIT_TRY(deps_.ports.Claim(kAddressPort, kPorts, "pci configuration", &address_ports_));
  ports_claimed_ = true;
  return {};
}

void HostBridge::SetEcam(std::optional<uint64_t> base, unsigned buses) {
  if (ecam_base_) (void)deps_.mmio.Release(*ecam_base_);
  ecam_base_.reset();
  if (base) {
    const uint64_t size = buses * kEcamBytesPerBus;
    const bool reserved = deps_.reserved && deps_.reserved(*base, size);
    const Status claimed =
        reserved ? Fail("RAM is there") : deps_.mmio.Claim(*base, size, "pci ecam", &ecam_);
    if (claimed) {
      ecam_base_ = base;
    } else {
      DAVIT_LOG_GUEST_ERROR("PCI: no ECAM window at {:#x}: {}", *base, claimed.error().message);
    }
  }
  RetryRefused();
}

void HostBridge::LockedSetEcam(std::optional<uint64_t> base, unsigned buses) {
  const auto lock = Lock();
  SetEcam(base, buses);
}

std::vector<Function*> HostBridge::AllFunctions() {
  std::vector<Function*> all;
  Collect(root_, all);
  return all;
}

Bus* HostBridge::FindBus(std::string_view name) {
  if (name == root_.name()) return &root_;
  for (Function* function : AllFunctions()) {
    Bridge* bridge = function->as_bridge();
    if (bridge != nullptr && bridge->secondary().name() == name) return &bridge->secondary();
  }
  return nullptr;
}

Function* HostBridge::FindFunction(std::string_view id) {
  for (Function* function : AllFunctions()) {
    if (!id.empty() && function->id() == id) return function;
  }
  return nullptr;
}

void HostBridge::Reset() {
  for (Function* function : AllFunctions()) function->Reset();
  const auto lock = Lock();
  address_ = 0;
}

Function* HostBridge::Route(uint8_t bus, uint8_t devfn) {
  Bus* found = bus == 0 ? &root_ : FindNumber(root_, bus);
  if (found == nullptr) return nullptr;
  if (found->bridge() != nullptr && !found->bridge()->powered()) return nullptr;
  // Functions of a slot exist to software from when function 0 does.
  if (found->Find(devfn & 0xf8) == nullptr) return nullptr;
  return found->Find(devfn);
}

void HostBridge::Read(uint8_t bus, uint8_t devfn, uint32_t offset, std::span<uint8_t> data) {
  const auto lock = Lock();
  if (Function* function = Route(bus, devfn)) return function->ConfigRead(offset, data);
  std::fill(data.begin(), data.end(), 0xff);
}

void HostBridge::Write(uint8_t bus, uint8_t devfn, uint32_t offset, std::span<const uint8_t> data) {
  const auto lock = Lock();
  if (Function* function = Route(bus, devfn)) function->ConfigWrite(offset, data);
}

bool HostBridge::Map(const Function& function, int bar, uint64_t base) {
  const BarSpec& spec = function.bars_[bar].spec;
  const bool io = spec.kind == BarKind::kIo;
  std::string owner = fmt::format("{} BAR {}", function.driver(), bar);
  Status claimed;
  if (!io && deps_.reserved && deps_.reserved(base, spec.size)) {
    claimed = Fail("RAM is there");
  } else {
    claimed = (io ? deps_.ports : deps_.mmio).Claim(base, spec.size, owner, spec.device);
  }
  if (claimed) return true;
  DAVIT_LOG_GUEST_ERROR("PCI: {} of {} is not mapped at {:#x}: {}", owner,
                        function.id().empty() ? "(no id)" : function.id(), base,
                        claimed.error().message);
  return false;
}

void HostBridge::Unmap(BarKind kind, uint64_t base) {
  (void)(kind == BarKind::kIo ? deps_.ports : deps_.mmio).Release(base);
}

void HostBridge::UpdateBehind(Bus& bus) {
  std::vector<Function*> behind;
  Collect(bus, behind);
  bool unmapped = false;
  for (Function* function : behind) unmapped |= function->UpdateMappings();
  if (unmapped) RetryRefused();
}

void HostBridge::RetryRefused() {
  for (Function* function : AllFunctions()) {
    for (Function::Bar& bar : function->bars_) {
      if (!std::exchange(bar.refused, std::nullopt)) continue;
      function->UpdateMappings();
    }
  }
}

void HostBridge::AddressPorts::Read(uint64_t offset, std::span<uint8_t> data) {
  if (offset == 1 && data.size() == 1 && host_.reset_port_) return host_.reset_port_->Read(0, data);
  uint32_t address;
  {
    const auto lock = host_.Lock();
    address = host_.address_;
  }
  std::fill(data.begin(), data.end(), 0xff);
  if (offset < 4) return StoreLe(data.data(), std::min<size_t>(data.size(), 4), address);
  if (!(address & kAddressEnable)) return;
  const uint32_t at = (address & 0xff) | (offset & 3);
  const auto inside = data.first(std::min<size_t>(data.size(), kConventionalSize - at));
  std::fill(data.begin(), data.end(), 0);  // what lies behind the 256 bytes, as in QEMU
  host_.Read(static_cast<uint8_t>(address >> 16), static_cast<uint8_t>(address >> 8), at, inside);
}

void HostBridge::AddressPorts::Write(uint64_t offset, std::span<const uint8_t> data) {
  if (offset == 1 && data.size() == 1 && host_.reset_port_) {
    return host_.reset_port_->Write(0, data);
  }
  uint32_t address;
  {
    const auto lock = host_.Lock();
    // Only as a whole: the bytes of it belong to other devices.
    if (offset == 0 && data.size() == 4) {
      host_.address_ = static_cast<uint32_t>(LoadLe(data.data(), 4));
    }
    address = host_.address_;
  }
  if (offset < 4 || !(address & kAddressEnable)) return;
  const uint32_t at = (address & 0xff) | (offset & 3);
  host_.Write(static_cast<uint8_t>(address >> 16), static_cast<uint8_t>(address >> 8), at,
              data.first(std::min<size_t>(data.size(), kConventionalSize - at)));
}

void HostBridge::Ecam::Read(uint64_t offset, std::span<uint8_t> data) {
  host_.Read(static_cast<uint8_t>(offset >> 20), static_cast<uint8_t>(offset >> 12), offset & 0xfff,
             data);
}

void HostBridge::Ecam::Write(uint64_t offset, std::span<const uint8_t> data) {
  host_.Write(static_cast<uint8_t>(offset >> 20), static_cast<uint8_t>(offset >> 12),
              offset & 0xfff, data);
}

}  // namespace davit::pci
