// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See virtio_pci.h: configuration space, interrupts, doorbells. The registers of BAR 4 are in
// registers.cc.
#include "vmm/virtio/transport/pci/virtio_pci.h"

#include <array>
#include <utility>

#include "vmm/base/check.h"
#include "vmm/base/log.h"
#include "vmm/pci/bus.h"
#include "vmm/pci/express.h"
#include "vmm/virtio/core/features.h"
#include "vmm/virtio/transport/pci/layout.h"

namespace davit::virtio {
namespace {

// The classes of QEMU 7.2's devices.
uint32_t ClassOf(uint16_t id) {
  switch (id) {
    case kIdNet:
      return 0x020000;
    case kIdBlock:
    case kIdScsi:
      return 0x010000;
    case kIdConsole:
    case kIdVsock:
      return 0x078000;
    default:
      return 0x00ff00;
  }
}

uint32_t DefaultVectors(const DeviceTraits& traits) {
  switch (traits.id) {
    case kIdBalloon:
    case kIdMem:
      return 0;
    case kIdConsole:
      return 2;
    case kIdVsock:
      return 3;
    default:
      return static_cast<uint32_t>(traits.queue_sizes.size()) + 1;
  }
}

pci::Identity IdentityOf(const DeviceTraits& traits) {
  return {.vendor = 0x1af4,
          .device = static_cast<uint16_t>(0x1040 + traits.id),
          .revision = 1,
          .class_code = ClassOf(traits.id)};
}

struct Block {
  uint8_t type;
  int bar;
  uint32_t offset, length;
};

// virtio_pci_cap (4.1.4). Returns its offset.
uint32_t AddRegisters(pci::ConfigSpace& space, const Block& block, uint8_t size = 16) {
  const uint32_t at = space.AddCapability(pci::kCapVendor, size);
  space.Set8(at + 2, size);
  space.Set8(at + 3, block.type);
  space.Set8(at + 4, static_cast<uint8_t>(block.bar));
  space.Set32(at + 8, block.offset);
  space.Set32(at + 12, block.length);
  return at;
}

}  // namespace

VirtioPci::VirtioPci(const VirtioPciConfig& config, Frontend& frontend,
                     bus::DoorbellHost& doorbells)
    : Function(IdentityOf(frontend.traits()), config.function),
      config_(config),
      frontend_(frontend),
      doorbells_(doorbells),
      config_vector_(kNoVector),
      queue_vectors_(frontend_.queue_count(), kNoVector),
      bound_(frontend_.queue_count()) {
  frontend_.SetInterrupts(this);
}

bool VirtioPci::PortByDefault(const DeviceTraits& traits, const pci::Bus& bus) {
  return bus.is_root() && traits.id != kIdNet;
}

VirtioPci::~VirtioPci() { frontend_.SetInterrupts(nullptr); }

Status VirtioPci::Realize(pci::Bus& bus) {
  DAVIT_CHECK(window_ == 0);  // once
  pci::ConfigSpace& space = config();
  UsePin(1);
  if (!bus.is_root()) {
    // On the root bus it is a root-complex integrated device without Express, as QEMU's.
    const uint32_t express = pci::AddExpressEndpoint(space);
    pci::AddPowerManagement(space);
    MakeExpress(express);
  }
  AddRegisters(space, {kCapCommon, kRegistersBar, kCommonOffset, kBlockSize});
  AddRegisters(space, {kCapIsr, kRegistersBar, kIsrOffset, kBlockSize});
  AddRegisters(space, {kCapDevice, kRegistersBar, kDeviceOffset, kBlockSize});
  const Block words{kCapNotify, kRegistersBar, kNotifyOffset, kBlockSize};
  space.Set32(AddRegisters(space, words, 20) + 16, kNotifyMultiplier);
  if (config_.port_notify) {
    // Of two places a driver takes what it meets first, and the last one added is in front. All
    // queues share the port: a multiplier of 0 (4.1.4.4).
    AddRegisters(space, {kCapNotify, kPortBar, 0, kPortSize}, 20);
    AddBar(kPortBar, {.kind = pci::BarKind::kIo, .size = kPortSize, .device = &notify_port_});
  }
  window_ = AddRegisters(space, {.type = kCapWindow, .bar = 0, .offset = 0, .length = 0}, 20);
  space.SetWritable(window_ + 4, 1, 0xff);
  space.SetWritable(window_ + 8, 8, ~uint64_t{0});
  space.SetWritable(window_ + 16, 4, 0xffffffff);
  AddBar(kRegistersBar, {.kind = pci::BarKind::kMemory64,
                         .prefetchable = true,
                         .size = kRegistersSize,
                         .device = &registers_});
  const uint32_t vectors = config_.vectors.value_or(DefaultVectors(frontend_.traits()));
  if (vectors > pci::Msix::kMaxVectors) {
    DAVIT_LOG_WARN("unable to init msix vectors to {}", vectors);
  } else if (vectors > 0) {
    msix_ = pci::Msix::InOwnBar(*this, kMsixBar, static_cast<uint16_t>(vectors));
  }
  return {};
}

void VirtioPci::Raise(uint16_t vector, uint8_t isr) {
  isr_ |= isr;
  if (msix_ && msix_->enabled()) {
    if (vector != kNoVector) msix_->Trigger(vector);
  } else {
    SetIntx(true);
  }
}

void VirtioPci::RaiseQueue(uint16_t queue) {
  const std::lock_guard lock(isr_mutex_);
  if (queue < queue_vectors_.size()) Raise(queue_vectors_[queue], kIsrQueue);
}

void VirtioPci::RaiseConfig() {
  const std::lock_guard lock(isr_mutex_);
  Raise(config_vector_, kIsrQueue | kIsrConfig);  // both bits, as QEMU does
}

uint8_t VirtioPci::ReadIsr() {
  const std::lock_guard lock(isr_mutex_);
  SetIntx(false);
  return std::exchange(isr_, 0);
}

void VirtioPci::ResetRegisters() {
  {
    // The feature selectors stay, as in QEMU.
    const std::lock_guard lock(select_mutex_);
    queue_select_ = 0;
  }
  const std::lock_guard lock(isr_mutex_);
  config_vector_ = kNoVector;
  for (uint16_t& vector : queue_vectors_) vector = kNoVector;
  isr_ = 0;
  SetIntx(false);
}

void VirtioPci::OnReset() {
  frontend_.Quiesce();
  {
    const std::lock_guard lock(select_mutex_);
    device_feature_select_ = driver_feature_select_ = 0;
  }
  ResetRegisters();
  UpdateDoorbells();
}

void VirtioPci::OnFunctionLevelReset() {
  frontend_.SetStatus(0);
  ResetRegisters();
  UpdateDoorbells();
}

void VirtioPci::OnBarMapped(int index, std::optional<uint64_t> base) {
  if (index != kRegistersBar && index != kPortBar) return;
  {
    const std::lock_guard lock(doorbell_mutex_);
    (index == kPortBar ? port_base_ : registers_base_) = base;
  }
  UpdateDoorbells();
}

void VirtioPci::OnBusMaster(bool enabled) {
  UpdateDoorbells();
  if (!enabled) return;
  // What was kicked meanwhile.
  for (uint16_t i = 0; i < frontend_.queue_count(); ++i) frontend_.Kick(i);
}

void VirtioPci::Kick(uint16_t queue) {
  // Without bus mastering the device may not read its queues.
  if (bus_master()) frontend_.Kick(queue);
}

void VirtioPci::UpdateDoorbells() {
  if (!config_.ioeventfd) return;
  const std::lock_guard lock(doorbell_mutex_);
  const bool live = bus_master() && (frontend_.status() & kStatusDriverOk) != 0;
  for (uint16_t i = 0; i < bound_.size(); ++i) {
    Bells wanted;
    if (live && frontend_.queue(i).ready) {
      if (registers_base_) {
        wanted.word = {.port = false,
                       .address = *registers_base_ + kNotifyOffset + i * kNotifyMultiplier,
                       .size = 0,
                       .value = {}};
      }
      if (port_base_) wanted.port = {.port = true, .address = *port_base_, .size = 2, .value = i};
    }
    if (bound_[i] == wanted) continue;
    const auto fd = frontend_.KickFd(i);
    if (!fd) continue;  // kicks come as writes
    Rebind(bound_[i].word, wanted.word, *fd);
    Rebind(bound_[i].port, wanted.port, *fd);
  }
}

void VirtioPci::Rebind(std::optional<bus::Doorbell>& bound,
                       const std::optional<bus::Doorbell>& wanted, int fd) {
  if (bound == wanted) return;
  if (bound) doorbells_.Unbind(*bound, fd);
  bound.reset();
  if (wanted && doorbells_.Bind(*wanted, fd)) bound = wanted;
}

void VirtioPci::ConfigWindow(bool write) {
  pci::ConfigSpace& space = config();
  const uint32_t length = space.Get32(window_ + 12);
  const uint32_t offset = space.Get32(window_ + 8);
  const uint8_t bar = space.Get8(window_ + 4);
  const bool port = bar == kPortBar && config_.port_notify;
  if (bar != kRegistersBar && !port) return;
  if (length != 1 && length != 2 && length != 4) return;
  if (offset % length != 0 || offset >= (port ? kPortSize : kRegistersSize)) return;
  bus::BusDevice& block = port ? static_cast<bus::BusDevice&>(notify_port_) : registers_;
  std::array<uint8_t, 4> data{};
  const auto used = std::span(data).first(length);
  if (write) {
    space.Read(window_ + 16, used);
    block.Write(offset, used);
  } else {
    block.Read(offset, used);
    for (uint32_t i = 0; i < length; ++i) space.Set8(window_ + 16 + i, data[i]);
  }
}

void VirtioPci::OnConfigRead(uint32_t offset, uint32_t size) {
  if (window_ != 0 && offset < window_ + 20 && offset + size > window_ + 16) ConfigWindow(false);
}

void VirtioPci::OnConfigWritten(uint32_t offset, uint32_t size) {
  if (window_ != 0 && offset < window_ + 20 && offset + size > window_ + 16) ConfigWindow(true);
}

}  // namespace davit::virtio
