// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The devices that were made by name (-device, device_add): makes each by its row, puts it on a bus
// of the board, takes it away when the guest has agreed to that (devices_unplug.cc), and all in the
// reverse order at the end. Owner: control thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vmm/control/types.h"
#include "vmm/io/io_thread.h"
#include "vmm/machine/devices/buses.h"
#include "vmm/machine/devices/context.h"
#include "vmm/machine/devices/row.h"
#include "vmm/machine/qom/qom_node.h"
#include "vmm/machine/vm_clock.h"
#include "vmm/virtio/core/frontend.h"
#include "vmm/virtio/transport/mmio/mmio_transport.h"

namespace davit::pci {
class RootPort;
}

namespace davit::machine {

class Devices final : public memory::LiveMemory::Listener {
 public:
  Devices(DeviceContext context, BoardBuses buses);
  // No vCPU runs any more, or none has run yet.
  ~Devices();
  Devices(const Devices&) = delete;
  Devices& operator=(const Devices&) = delete;

  // Claims the board's slots; empty ones answer as the specification wants. Once, first.
  Status Init();
  // Before the guest runs. Error: QEMU's for the same mistake; nothing is left behind.
  Status Add(const control::DeviceSpec& spec) { return Make(spec, false); }
  // At any time, vCPUs run or not: the guest is told as the bus has it. Error: as Add(), and where
  // bus or driver know no hot-plug.
  Status HotAdd(const control::DeviceSpec& spec) { return Make(spec, true); }
  // Unplugs the device with this name or path: at once, when the guest agrees, or at the next
  // Reset(). DeviceDeletedEvent follows when it is gone, those of its children before. Error: there
  // is none, it cannot be unplugged, or the guest was asked just now.
  Status Unplug(const std::string& id);

  // Power-on state, of what the board's own buses do not reset; what waits for the guest's
  // agreement to go, goes, but for CPUs (as in QEMU). The vCPUs are parked.
  void Reset();
  void OnRunning(bool running);
  // All devices or none.
  Status OnMemory(const memory::GuestMemory& next) override;
  // Adds the devices and the buses that they sit on to the objects below `machine`, which refer to
  // this.
  void AddTo(QomNode& machine) const;
  // The board's virtio-mmio slots that hold a device, ascending.
  std::vector<size_t> used_slots() const;
  // The first virtio device of this id; null: there is none.
  virtio::VirtioDevice* FindVirtio(uint16_t id) const;

  // Adds the devices to the board's tree for "info qtree".
  void Describe(control::QtreeNode::Bus& system) const;

 private:
  struct Slot {
    VirtioMmioSlot place;
    std::unique_ptr<virtio::MmioTransport> transport;
  };
  struct Entry {
    control::DeviceSpec spec;
    std::string path;  // "/machine/peripheral/ID"
    const DeviceRow* row = nullptr;
    bool hot = false;
    // The guest was asked to let it go: until then (guest's time, ns) it is not asked again.
    std::optional<int64_t> pending_until;
    std::shared_ptr<io::IoThread> iothread;  // keeps it from being removed
    // One of these by kind.
    std::unique_ptr<virtio::Frontend> frontend;  // virtio
    std::unique_ptr<PlainDevice> plain;

    MadeFunction pci;               // on PCI, virtio or not
    size_t slot = 0;                // of a frontend that is not on PCI
    const Entry* parent = nullptr;  // of a child
    bool on_board_bus() const { return row->make_busless != nullptr && !row->parent_bus.empty(); }
    bool on_slot() const { return frontend != nullptr && pci.function == nullptr; }
    virtio::VirtioDevice* virtio() const {
      return frontend != nullptr ? &frontend->device() : nullptr;
    }
    std::string child_bus() const;  // the name of the bus that it has; empty: none
  };

  // --- qom.cc ---
  // The bus between the two parts of a virtio device on PCI, and the type of the second.
  static constexpr std::string_view kBackendBus = "virtio-bus";
  static std::string BackendType(const Entry& entry);
  // A property of now; nullopt: the device has none of this name.
  static std::optional<Result<control::PropertyValue>> ValueOf(const Entry& entry,
                                                               std::string_view name);
  QomNode NodeOf(const Entry& entry) const;
  void AddVirtioParts(const Entry& entry, QomNode& node) const;
  QomDeviceState StateOf(const Entry& entry) const;
  std::string ParentBusPath(const Entry& entry) const;
  const Entry* FindBridge(const pci::Bus& secondary) const;
  Status Make(const control::DeviceSpec& spec, bool hot);
  Status CheckHotPlug(const pci::Bus& bus) const;
  static constexpr std::string_view kSlotBus = "virtio-mmio-bus";  // with a number each
  static std::string SlotName(size_t slot);
  static tl::unexpected<Error> NoHotPlug(const std::string& bus);
  // --- devices_unplug.cc ---
  Result<Entry*> FindForUnplug(const std::string& id) const;
  Result<bool> AskUnplug(const Entry& entry) const;
  std::vector<Entry*> ChildrenOf(const Entry& entry) const;  // the newest first
  void TakeDown(Entry& entry);
  void Remove(Entry& entry);
  void Finish(Entry& entry);                                 // Remove(), with what shares its slot
  Entry* FindFunction(const pci::Function* function) const;  // null: it is none of these
  void EmptySlot(pci::RootPort& port);
  void SlotOff(const pci::Function* port);
  // Whether the guest hears of the port's slot by ACPI alone. One of a port that came later is
  // native, as the tables that the guest has read do not know it.
  bool SlotIsAcpis(const pci::RootPort& port) const;
  void RunSoon(std::function<void()> fn);  // on the control thread, while this lives; any thread

  Status AddToSlot(Entry& entry);
  Status AddToPci(Entry& entry);
  // A port, or a card behind one, where slots are ACPI's.
  void TellAcpi(const Entry& entry);
  Status AddToDevice(Entry& entry);
  Status AddBusless(Entry& entry);
  Result<std::unique_ptr<virtio::Frontend>> MakeFrontend(Entry& entry);
  Result<size_t> FindSlot(const control::DeviceSpec& spec) const;
  Result<pci::Bus*> FindPciBus(const control::DeviceSpec& spec) const;
  Result<const Entry*> FindParent(const Entry& entry) const;
  // The type of the bus of this name; empty: there is none.
  std::string TypeOfBus(const std::string& name) const;
  std::string NameOfBoardBus(std::string_view type) const;  // empty: there is none
  Status CheckBusType(const control::DeviceSpec& spec, std::string_view wanted) const;
  // --- qtree.cc ---
  control::QtreeNode Node(const Entry& entry) const;
  void AddParts(const Entry& entry, control::QtreeNode& node) const;
  void DescribeBus(control::QtreeNode::Bus& bus) const;

  DeviceContext context_;
  const BoardBuses buses_;
  std::vector<std::unique_ptr<Entry>> entries_;  // in order of creation
  std::vector<Slot> slots_;
  unsigned anonymous_ = 0;  // devices without a name that were made so far
  bool running_ = true;
  VmClock clock_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace davit::machine
