// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See bridge.h.
#include "vmm/pci/bridge.h"

#include "vmm/pci/host_bridge.h"

namespace davit::pci {
namespace {

constexpr unsigned kSlotsBehindPort = 1;

bool Contains(const Bridge::Window& window, uint64_t base, uint64_t size) {
  return window.base <= base && base + (size - 1) <= window.limit;
}

}  // namespace

Bridge::Bridge(const Identity& identity, FunctionOptions options, HostBridge& host,
               std::string bus_name)
    : Function(identity, std::move(options)),
      secondary_(host, this, std::move(bus_name), kSlotsBehindPort) {
  ConfigSpace& space = config();
  space.Set8(kHeaderType, static_cast<uint8_t>(space.Get8(kHeaderType) | kHeaderBridge));
  // A bridge has windows where others have subsystem ids (those are a capability).
  space.SetWritable(kPrimaryBus, 4, 0xffffffff);
  space.Set16(kIoBase, 0x00f0);  // closed: base above limit
  space.SetWritable(kIoBase, 2, 0xf0f0);
  space.SetWriteOneToClear(0x1e, 2, 0xf900);  // secondary status
  space.Set32(kMemoryBase, 0x0000fff0);
  space.SetWritable(kMemoryBase, 4, 0xfff0fff0);
  space.Set32(kPrefetchBase, 0x0001fff1);  // 64-bit
  space.SetWritable(kPrefetchBase, 4, 0xfff0fff0);
  space.Set64(kPrefetchBaseUpper, 0);
  space.SetWritable(kPrefetchBaseUpper, 8, ~uint64_t{0});
  space.SetWritable(kBridgeControl, 2, 0x005f);
}

Bridge::~Bridge() = default;

Bridge::Window Bridge::io_window() const {
  return {static_cast<uint64_t>(config().Get8(kIoBase) & 0xf0) << 8,
          static_cast<uint64_t>(config().Get8(kIoLimit) & 0xf0) << 8 | 0xfff};
}

Bridge::Window Bridge::memory_window() const {
  return {static_cast<uint64_t>(config().Get16(kMemoryBase) & 0xfff0) << 16,
          static_cast<uint64_t>(config().Get16(kMemoryLimit) & 0xfff0) << 16 | 0xfffff};
}

Bridge::Window Bridge::prefetch_window() const {
  const uint64_t base_upper = config().Get32(kPrefetchBaseUpper);
  const uint64_t limit_upper = config().Get32(kPrefetchLimitUpper);
  return {base_upper << 32 | static_cast<uint64_t>(config().Get16(kPrefetchBase) & 0xfff0) << 16,
          limit_upper << 32 | static_cast<uint64_t>(config().Get16(kPrefetchLimit) & 0xfff0) << 16 |
              0xfffff};
}

bool Bridge::Forwards(bool io, uint64_t base, uint64_t size) const {
  const uint16_t command = config().Get16(kCommand);
  if (io) return (command & kCommandIo) && Contains(io_window(), base, size);
  return (command & kCommandMemory) &&
         (Contains(memory_window(), base, size) || Contains(prefetch_window(), base, size));
}

void Bridge::ResetBehind() {
  for (Function* function : secondary_.functions()) {
    if (Bridge* bridge = function->as_bridge()) bridge->ResetBehind();
    function->OnFunctionLevelReset();
    function->ResetConfig();
  }
}

void Bridge::OnConfigWritten(uint32_t offset, uint32_t size) {
  if (offset <= kBridgeControl && offset + size > kBridgeControl &&
      (config().Get16(kBridgeControl) & kBridgeControlBusReset)) {
    ResetBehind();
  }
  if (offset < kCommand + 2 || (offset < kPrefetchLimitUpper + 4 && offset + size > kIoBase)) {
    UpdateBehind();
  }
}

void Bridge::UpdateBehind() {
  if (host() != nullptr) host()->UpdateBehind(secondary_);
}

void Bridge::OnConfigReset() { UpdateBehind(); }

}  // namespace davit::pci
