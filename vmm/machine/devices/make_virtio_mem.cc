// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// virtio-mem: its region is placed and plugged before the device is made, and goes with it. The
// order of checks is QEMU's.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <memory>
#include <utility>

#include "vmm/control/events.h"
#include "vmm/machine/devices/last_value.h"
#include "vmm/machine/devices/makers.h"
#include "vmm/machine/devices/memory_alignment.h"
#include "vmm/machine/memory_devices.h"
#include "vmm/machine/object_tree.h"
#include "vmm/memory/ram_block.h"
#include "vmm/virtio/mem/mem.h"

namespace davit::machine {
namespace {

using virtio::Mem;
using virtio::MemConfig;

constexpr uint64_t kLeastBlock = kMiB;
constexpr uint64_t kHugePage = 2 * kMiB;  // transparent ones, x86

// A place in the window and a memory backend, for as long as this lives.
struct PluggedRegion {
  MemoryDevices& memory;
  ObjectTree& objects;
  std::string memdev;
  std::shared_ptr<void> watch;
  uint64_t address = 0;
  bool plugged = false;
  Mem* device = nullptr;  // whose region it is; owns this

  ~PluggedRegion() {
    if (!plugged) return;
    if (memory.Unplug(address)) objects.ReleaseMemory(memdev);
  }
  control::MemoryDeviceInfo Describe(const std::string& id) const {
    control::MemoryDeviceInfo info;
    info.kind = control::MemoryDeviceInfo::Kind::kVirtioMem;
    info.id = id;
    info.memdev = "/objects/" + memdev;
    info.address = address;
    info.size = device->plugged_size();
    info.node = device->config().node;
    info.max_size = device->config().region_size;
    info.requested_size = device->requested_size();
    info.block_size = device->config().block_size;
    return info;
  }
};

Result<uint64_t> BlockSize(const DeviceProperties& props, const memory::RamBlock& block) {
  const uint64_t least = std::max(kLeastBlock, block.page_size());
  if (!props.Has("block-size")) return std::max(kHugePage, block.page_size());
  const uint64_t size = props.Uint("block-size");
  if (!std::has_single_bit(size)) return Fail("'block-size' property has to be a power of two");
  if (size < least) {
    return Fail(fmt::format("'block-size' property has to be at least 0x{:x}", least));
  }
  return size;
}

// The driver of a region whose zeros cost nothing may look at what is unplugged, as in QEMU.
bool HasSharedZeroPage(const memory::RamBlock& block) {
  return !block.options().share && block.fd() < 0 && block.page_size() == kPageSize;
}

}  // namespace

MadeVirtio MakeMem(DeviceContext& context, const DeviceProperties& props) {
  const std::string path = props.Text("memdev");
  if (path.empty()) return Fail("'memdev' property must be set");
  DAVIT_ASSIGN(const auto block, context.objects.FindMemory(path, "memdev"));
  const std::string& memdev = block->id();
  MemConfig config;
  DAVIT_ASSIGN(config.block_size, BlockSize(props, *block));
  if (context.memory_devices == nullptr) {
    return Fail("memory devices (e.g. for memory hotplug) are not supported by the machine");
  }
  MemoryDevices::Request request{.id = props.id(),
                                 .block = block,
                                 .size = block->options().size,
                                 .align = std::max(AlignmentOf(*block), config.block_size),
                                 .address = props.Uint("memaddr"),
                                 .sparse = true,
                                 .describe = {}};
  DAVIT_ASSIGN(config.address, context.memory_devices->Place(request));
  config.region_size = request.size;
  if (context.objects.MemoryInUse(memdev)) {
    return Fail(fmt::format("'memdev' property specifies a busy memdev: {}", memdev));
  }
  const uint64_t node = props.Uint("node");
  if (node >= context.numa_nodes) {
    return Fail(
        fmt::format("'node' property has value '{}', which exceedsthe number of numa "
                    "nodes: {}",
                    node, context.numa_nodes));
  }
  config.node = static_cast<uint16_t>(node);
  if (props.Has("requested-size")) config.requested_size = props.Uint("requested-size");
  DAVIT_TRY(Mem::CheckRequestedSize(config, config.requested_size, "'requested-size' property"));
  if (block->readonly()) {
    return Fail(fmt::format("memory backend '{}' is read-only and cannot be plugged", memdev));
  }
  config.prealloc = props.Bool("prealloc");
  config.unplugged_inaccessible = props.OnOff("unplugged-inaccessible", !HasSharedZeroPage(*block));
  config.on_change = TellLastValue(
      context.loop, [emit = context.emit, id = props.id(), path = props.path()](uint64_t size) {
        emit(control::MemoryDeviceSizeChangeEvent{id, size, path});
      });

  auto region = std::make_shared<PluggedRegion>(
      PluggedRegion{*context.memory_devices, context.objects, memdev, nullptr, config.address});
  DAVIT_ASSIGN(region->watch, context.watch_memory(*block));
  request.describe = [region = region.get(), id = props.id()] { return region->Describe(id); };
  DAVIT_TRY(context.memory_devices->Plug(std::move(request), config.address));
  region->plugged = true;
  DAVIT_TRY(context.objects.UseMemory(memdev));
  // What the backend holds is unplugged memory. Last, since it cannot be undone.
  DAVIT_TRY(block->Discard(0, block->size()));
  config.region = region;
  auto device = std::make_unique<Mem>(std::move(config));
  region->device = device.get();
  return device;
}

std::optional<Result<control::PropertyValue>> GetMemProperty(virtio::VirtioDevice& device,
                                                             std::string_view name) {
  auto& mem = static_cast<Mem&>(device);
  if (name == "requested-size") return control::PropertyValue{mem.requested_size()};
  if (name == "size") return control::PropertyValue{mem.plugged_size()};
  if (name == "block-size") return control::PropertyValue{mem.config().block_size};
  if (name == "memaddr") return control::PropertyValue{mem.config().address};
  if (name == "unplugged-inaccessible") {
    return control::PropertyValue{std::string(mem.config().unplugged_inaccessible ? "on" : "off")};
  }
  return std::nullopt;
}

std::optional<Status> SetMemProperty(virtio::VirtioDevice& device, std::string_view name,
                                     const control::PropertyValue& value) {
  if (name == "size") return Fail("Property 'virtio-mem.size' is not writable");
  if (name == "block-size") return Fail("'block-size' cannot be changed");
  if (name != "requested-size") return std::nullopt;
  const auto* const negative = std::get_if<int64_t>(&value.value);
  const auto* const size = std::get_if<uint64_t>(&value.value);
  if (negative == nullptr && size == nullptr) {
    return Fail("Parameter 'requested-size' expects uint64");
  }
  // A negative number is a very large one, as in QEMU.
  return static_cast<Mem&>(device).SetRequestedSize(size != nullptr ? *size : uint64_t(*negative));
}

}  // namespace davit::machine
