// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// pc-dimm. The order of checks is QEMU's.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "vmm/devices/memory_hotplug.h"
#include "vmm/machine/devices/makers.h"
#include "vmm/machine/devices/memory_alignment.h"
#include "vmm/machine/memory_devices.h"
#include "vmm/machine/object_tree.h"
#include "vmm/memory/ram_block.h"

namespace davit::machine {
namespace {

class PcDimm final : public PlainDevice {
 public:
  struct Parts {
    MemoryDevices& memory;
    devices::MemoryHotplug& slots;
    ObjectTree& objects;
  };
  PcDimm(const Parts& parts, const control::MemoryDeviceInfo& info, std::string memdev,
         std::shared_ptr<void> watch)
      : parts_(parts), info_(info), memdev_(std::move(memdev)), watch_(std::move(watch)) {}
  ~PcDimm() override {
    if (!plugged_) return;
    parts_.slots.Unplug(slot());
    if (parts_.memory.Unplug(info_.address)) parts_.objects.ReleaseMemory(memdev_);
  }

  std::optional<control::PropertyValue> Property(std::string_view name) const override {
    if (name == "addr") return control::PropertyValue{info_.address};
    if (name == "slot") return control::PropertyValue{info_.slot};
    if (name == "size") return control::PropertyValue{info_.size};
    return std::nullopt;
  }
  Result<bool> AskUnplug() override {
    parts_.slots.RequestEject(slot());
    return false;
  }

  // ejected, refused: any thread.
  Status Plug(MemoryDevices::Request request, std::function<void()> ejected,
              std::function<void()> refused) {
    request.describe = [this] { return info_; };
    DAVIT_TRY(parts_.memory.Plug(std::move(request), info_.address));
    parts_.slots.Plug(slot(),
                      {info_.id, info_.address, info_.size, static_cast<uint32_t>(info_.node),
                       std::move(ejected), std::move(refused)},
                      info_.hotplugged);
    plugged_ = true;
    return {};
  }
  uint32_t slot() const { return static_cast<uint32_t>(info_.slot); }

 private:
  const Parts parts_;
  const control::MemoryDeviceInfo info_;
  const std::string memdev_;
  const std::shared_ptr<void> watch_;
  bool plugged_ = false;
};

Result<uint32_t> FindSlot(const devices::MemoryHotplug& slots, int64_t wanted) {
  const std::vector<bool> taken = slots.taken();
  constexpr int64_t kAny = -1;
  if (taken.empty()) return Fail("no slots where allocated, please specify the 'slots' option");
  if (wanted == kAny) {
    const auto free = std::find(taken.begin(), taken.end(), false);
    if (free == taken.end()) return Fail("no free slots available");
    return static_cast<uint32_t>(free - taken.begin());
  }
  if (wanted < 0 || wanted >= static_cast<int64_t>(taken.size())) {
    return Fail(
        fmt::format("invalid slot number {}, valid range is [0-{}]", wanted, taken.size() - 1));
  }
  if (taken[static_cast<size_t>(wanted)]) return Fail(fmt::format("slot {} is busy", wanted));
  return static_cast<uint32_t>(wanted);
}

}  // namespace

MadePlain MakePcDimm(DeviceContext& context, const DeviceProperties& props) {
  std::shared_ptr<memory::RamBlock> block;
  if (const std::string path = props.Text("memdev"); !path.empty()) {
    DAVIT_ASSIGN(block, context.objects.FindMemory(path, "memdev"));
  }
  if (context.memory_devices == nullptr) {
    return Fail(props.hot() ? "Device 'pc-dimm' can not be hotplugged on this machine"
                            : "memory devices (e.g. for memory hotplug) are not supported by "
                              "the machine");
  }
  if (context.memory_slots == nullptr) {
    return Fail("memory hotplug is not enabled: missing acpi device or acpi disabled");
  }
  DAVIT_ASSIGN(const uint32_t slot, FindSlot(*context.memory_slots, props.Int("slot")));
  if (block == nullptr) return Fail("'memdev' property must be set");
  const std::string& memdev = block->id();
  MemoryDevices::Request request{.id = props.id(),
                                 .block = block,
                                 .size = block->options().size,
                                 .align = AlignmentOf(*block),
                                 .address = props.Uint("addr"),
                                 .describe = {}};
  DAVIT_ASSIGN(const uint64_t address, context.memory_devices->Place(request));
  if (context.objects.MemoryInUse(memdev)) {
    return Fail(fmt::format("can't use already busy memdev: {}", memdev));
  }
  const uint64_t node = props.Uint("node");
  if (node >= context.numa_nodes) {
    return Fail(
        fmt::format("'DIMM property node has value {}' which exceeds the number of numa nodes: {}",
                    node, context.numa_nodes));
  }
  if (block->readonly()) {
    return Fail(fmt::format("memory backend '{}' is read-only and cannot be a DIMM", memdev));
  }
  control::MemoryDeviceInfo info;
  info.id = props.id();
  info.memdev = "/objects/" + memdev;
  info.address = address;
  info.size = request.size;
  info.slot = slot;
  info.node = static_cast<int64_t>(node);
  info.hotplugged = props.hot();
  DAVIT_ASSIGN(std::shared_ptr<void> watch, context.watch_memory(*block));
  auto dimm = std::make_unique<PcDimm>(
      PcDimm::Parts{*context.memory_devices, *context.memory_slots, context.objects}, info, memdev,
      std::move(watch));
  const control::DeviceUnplugGuestErrorEvent refused{props.id(), props.path()};
  DAVIT_TRY(dimm->Plug(
      std::move(request), [unplugged = context.unplugged, path = props.path()] { unplugged(path); },
      [tell = context.unplug_refused, refused] { tell(refused); }));
  DAVIT_TRY(context.objects.UseMemory(memdev));
  return dimm;
}

}  // namespace davit::machine
