// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See devices.h.
#include "vmm/machine/devices/devices.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "vmm/base/log.h"
#include "vmm/devices/acpi_pci_hotplug.h"
#include "vmm/machine/accel.h"
#include "vmm/machine/devices/makers.h"
#include "vmm/machine/object_tree.h"
#include "vmm/pci/bridge.h"
#include "vmm/pci/root_port.h"
#include "vmm/virtio/transport/pci/virtio_pci.h"

namespace davit::machine {
namespace {

virtio::FrontendOptions OptionsOf(const DeviceProperties& props) {
  virtio::FrontendOptions options;
  options.id = props.id().empty() ? props.driver() : props.id();
  options.event_idx = props.Bool("event_idx");
  options.in_order = props.Bool("in_order");
  options.indirect_desc = props.Bool("indirect_desc");
  options.packed = props.Bool("packed");
  options.queue_reset = props.Bool("queue_reset");
  return options;
}

// An empty one is how clients say that there is to be none.
Status CheckRom(const DeviceProperties& props) {
  const std::string rom = props.Text("romfile");
  if (rom.empty()) return {};
  return Fail(fmt::format("{}: romfile '{}': option ROMs are not supported", props.driver(), rom));
}

// davit's virtio on PCI is the modern interface alone.
Status CheckModern(const DeviceProperties& props) {
  const bool legacy = !props.OnOff("disable-legacy", true);
  if (props.Bool("disable-modern")) {
    if (legacy) return Fail("the legacy interface of virtio is not supported");
    return Fail(
        "device cannot work as neither modern nor legacy mode is enabled\n"
        "Set either disable-modern or disable-legacy to off");
  }
  if (legacy) return Fail("the legacy interface of virtio is not supported");
  return {};
}

tl::unexpected<Error> NoBus(std::string_view type, const std::string& driver) {
  return Fail(fmt::format("No '{}' bus found for device '{}'", type, driver));
}

}  // namespace

std::string Devices::SlotName(size_t slot) { return fmt::format("{}.{}", kSlotBus, slot); }

tl::unexpected<Error> Devices::NoHotPlug(const std::string& bus) {
  return Fail(fmt::format("Bus '{}' does not support hotplugging", bus));
}

std::string Devices::Entry::child_bus() const {
  if (row->child_bus.empty() || spec.id.empty()) return std::string(row->child_bus);
  return spec.id + ".0";
}

Devices::Devices(DeviceContext context, BoardBuses buses)
    : context_(std::move(context)), buses_(std::move(buses)) {
  context_.has_virtio = [this](uint16_t id) { return FindVirtio(id) != nullptr; };
  context_.has_device = [this](const std::string& driver) {
    return std::any_of(entries_.begin(), entries_.end(),
                       [&](const auto& entry) { return entry->spec.driver == driver; });
  };
  context_.slot_off = [this](const pci::Function* port) {
    RunSoon([this, port] { SlotOff(port); });
  };
  context_.unplugged = [this](const std::string& path) {
    RunSoon([this, path] {
      if (const auto entry = FindForUnplug(path)) Remove(**entry);
    });
  };
  for (const VirtioMmioSlot& place : buses_.virtio_mmio) {
    slots_.push_back({place, std::make_unique<virtio::MmioTransport>(
                                 place.base, context_.accel.Line(place.gsi))});
  }
}

Devices::~Devices() {
  context_.memory.Forget(*this);
  for (auto it = entries_.rbegin(); it != entries_.rend(); ++it) TakeDown(**it);
  for (Slot& slot : slots_) {
    (void)buses_.mmio->Release(slot.place.base);
    slot.transport.reset();
  }
  while (!entries_.empty()) entries_.pop_back();
}

Status Devices::Init() {
  DAVIT_TRY(context_.memory.Follow(*this));
  for (size_t i = 0; i < slots_.size(); ++i) {
    DAVIT_TRY(buses_.mmio->Claim(slots_[i].place.base, virtio::MmioTransport::kWindowSize,
                                 SlotName(i), slots_[i].transport.get()));
  }
  return {};
}

Status Devices::Make(const control::DeviceSpec& spec, bool hot) {
  const auto same = [&](const auto& entry) { return entry->spec.id == spec.id; };
  if (!spec.id.empty() && std::any_of(entries_.begin(), entries_.end(), same)) {
    return Fail(fmt::format("Duplicate device ID '{}'", spec.id));
  }
  auto entry = std::make_unique<Entry>();
  entry->spec = spec;
  entry->hot = hot;
  entry->path = spec.id.empty() ? fmt::format("/machine/peripheral-anon/device[{}]", anonymous_)
                                : "/machine/peripheral/" + spec.id;
  entry->row = FindDeviceRow(spec.driver);
  if (entry->row == nullptr) {
    return Fail(fmt::format("'{}' is not a valid device model name", spec.driver));
  }
  if (hot && !entry->row->hotpluggable) {
    return Fail("Parameter 'driver' expects a pluggable device type");
  }
  if (entry->row->make_child != nullptr) {
    DAVIT_TRY(AddToDevice(*entry));
  } else if (entry->row->make_busless != nullptr) {
    DAVIT_TRY(AddBusless(*entry));
  } else if (BusTypeOf(spec.driver) == "PCI") {
    DAVIT_TRY(AddToPci(*entry));
  } else {
    DAVIT_TRY(AddToSlot(*entry));
  }
  if (spec.id.empty()) ++anonymous_;
  if (entry->frontend != nullptr) entry->frontend->OnRunning(running_);
  if (entry->plain != nullptr) entry->plain->OnRunning(running_);
  if (entry->pci.on_running) entry->pci.on_running(running_);
  entries_.push_back(std::move(entry));
  return {};
}

// --- buses -----------------------------------------------------------------------------------

std::string Devices::TypeOfBus(const std::string& name) const {
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (name == SlotName(i)) return std::string(kSlotBus);
  }
  if (buses_.pci != nullptr && buses_.pci->FindBus(name) != nullptr) return "PCIE";
  for (const ClosedBus& bus : buses_.others) {
    if (name == bus.name) return bus.type;
  }
  for (const auto& entry : entries_) {
    if (!entry->row->child_bus.empty() && name == entry->child_bus()) {
      return std::string(entry->row->child_bus);
    }
  }
  return "";
}

std::string Devices::NameOfBoardBus(std::string_view type) const {
  const auto it = std::find_if(buses_.others.begin(), buses_.others.end(),
                               [type](const ClosedBus& bus) { return bus.type == type; });
  return it != buses_.others.end() ? it->name : "";
}

Status Devices::CheckBusType(const control::DeviceSpec& spec, std::string_view wanted) const {
  if (spec.bus.empty()) return {};
  const std::string type = TypeOfBus(spec.bus);
  if (type.empty()) return Fail(fmt::format("Bus '{}' not found", spec.bus));
  if (type != wanted) {
    return Fail(fmt::format("Device '{}' can't go on {} bus", spec.driver, type));
  }
  return {};
}

// As in QEMU, the last free slot.
Result<size_t> Devices::FindSlot(const control::DeviceSpec& spec) const {
  DAVIT_TRY(CheckBusType(spec, kSlotBus));
  for (size_t i = slots_.size(); i-- > 0;) {
    if (!spec.bus.empty() && spec.bus != SlotName(i)) continue;
    if (slots_[i].transport->empty()) return i;
    if (!spec.bus.empty()) return Fail(fmt::format("Bus '{}' is full", spec.bus));
  }
  return NoBus("virtio-bus", spec.driver);
}

std::vector<size_t> Devices::used_slots() const {
  std::vector<size_t> used;
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (!slots_[i].transport->empty()) used.push_back(i);
  }
  return used;
}

Result<pci::Bus*> Devices::FindPciBus(const control::DeviceSpec& spec) const {
  if (buses_.pci == nullptr || !spec.bus.empty()) DAVIT_TRY(CheckBusType(spec, "PCIE"));
  if (buses_.pci == nullptr) return NoBus("PCI", spec.driver);
  return spec.bus.empty() ? &buses_.pci->root() : buses_.pci->FindBus(spec.bus);
}

Result<const Devices::Entry*> Devices::FindParent(const Entry& entry) const {
  const std::string_view type = entry.row->parent_bus;
  DAVIT_TRY(CheckBusType(entry.spec, type));
  // As in QEMU, the newest.
  for (auto it = entries_.rbegin(); it != entries_.rend(); ++it) {
    if ((*it)->row->child_bus != type) continue;
    if (entry.spec.bus.empty() || entry.spec.bus == (*it)->child_bus()) return it->get();
  }
  return NoBus(type, entry.spec.driver);
}

// --- making ----------------------------------------------------------------------------------

Result<std::unique_ptr<virtio::Frontend>> Devices::MakeFrontend(Entry& entry) {
  const DeviceProperties props(entry.spec, entry.path, entry.hot);
  io::EventLoop* loop = &context_.loop;
  if (const std::string id = props.Text("iothread"); !id.empty()) {
    DAVIT_ASSIGN(entry.iothread, context_.objects.UseIoThread(id, "iothread"));
    if (props.Has("ioeventfd") && !props.Bool("ioeventfd")) {
      return Fail("ioeventfd is required for iothread");
    }
    loop = &entry.iothread->loop();
  }
  DAVIT_ASSIGN(auto device, entry.row->make_virtio(context_, props));
  return std::make_unique<virtio::Frontend>(std::move(device), OptionsOf(props), *loop,
                                            context_.memory.Get());
}

Status Devices::AddToSlot(Entry& entry) {
  DAVIT_ASSIGN(entry.slot, FindSlot(entry.spec));
  if (entry.hot) return NoHotPlug(SlotName(entry.slot));
  DAVIT_ASSIGN(entry.frontend, MakeFrontend(entry));
  slots_[entry.slot].transport->Plug(*entry.frontend, &context_.accel.doorbells());
  return {};
}

Status Devices::CheckHotPlug(const pci::Bus& bus) const {
  auto* const port = dynamic_cast<pci::RootPort*>(bus.bridge());
  if (port == nullptr) return NoHotPlug(bus.name());
  if (!SlotIsAcpis(*port)) return port->CheckPlug();
  return port->acpi() ? Status() : NoHotPlug(bus.name());
}

Status Devices::AddToPci(Entry& entry) {
  const DeviceProperties props(entry.spec, entry.path, entry.hot);
  DAVIT_TRY(CheckRom(props));
  DAVIT_ASSIGN(pci::Bus* const bus, FindPciBus(entry.spec));
  if (entry.hot) {
    // What the guest has let go is out of the way now, and takes nothing along that comes later.
    auto* const port = dynamic_cast<pci::RootPort*>(bus->bridge());
    if (port != nullptr && port->emptying()) EmptySlot(*port);
    DAVIT_TRY(CheckHotPlug(*bus));
  }
  const int64_t addr = props.Int("addr");
  const auto devfn = addr < 0 ? std::nullopt : std::optional(static_cast<uint8_t>(addr));
  // Before anything is made: making it can change what it stands on.
  DAVIT_TRY(bus->Place(entry.spec.driver, devfn, entry.hot));
  if (entry.row->make_virtio != nullptr) {
    DAVIT_TRY(CheckModern(props));
    DAVIT_ASSIGN(entry.frontend, MakeFrontend(entry));
    virtio::VirtioPciConfig config{.function = FunctionOptionsOf(props)};
    const uint64_t vectors = props.Uint("vectors");
    if (vectors != UINT32_MAX) config.vectors = static_cast<uint32_t>(vectors);
    if (props.Has("ioeventfd")) config.ioeventfd = props.Bool("ioeventfd");
    if (!props.Has("modern-pio-notify")) {
      const bool port = virtio::VirtioPci::PortByDefault(entry.frontend->traits(), *bus);
      entry.spec.properties.push_back({"modern-pio-notify", {port}});
    }
    config.port_notify = props.Bool("modern-pio-notify");
    entry.pci.function =
        std::make_unique<virtio::VirtioPci>(config, *entry.frontend, context_.accel.doorbells());
  } else {
    DAVIT_ASSIGN(entry.pci, entry.row->make_function(context_, props, *buses_.pci));
  }
  DAVIT_TRY(bus->Attach(*entry.pci.function, devfn, entry.hot));
  if (buses_.acpi_slots != nullptr) TellAcpi(entry);
  return {};
}

void Devices::TellAcpi(const Entry& entry) {
  const pci::Function& function = *entry.pci.function;
  if (auto* const port = dynamic_cast<pci::RootPort*>(entry.pci.function.get());
      port != nullptr && port->config_values().hotplug && !entry.hot) {
    port->FollowAcpi(buses_.acpi_slots->AddBus([port](uint32_t slot) {
      if (slot == 0) port->Eject();
    }));
  }
  // As with slots of their own registers, function 0 is what the guest is told of.
  if (!entry.hot || function.devfn() != 0) return;
  const auto& port = static_cast<const pci::RootPort&>(*function.bus()->bridge());
  if (port.acpi()) buses_.acpi_slots->Plug(*port.acpi(), 0);
}

Status Devices::AddToDevice(Entry& entry) {
  DAVIT_ASSIGN(entry.parent, FindParent(entry));
  DAVIT_ASSIGN(entry.plain,
               entry.row->make_child(context_, DeviceProperties(entry.spec, entry.path, entry.hot),
                                     *entry.parent->virtio()));
  return {};
}

Status Devices::AddBusless(Entry& entry) {
  DAVIT_TRY(CheckBusType(entry.spec, entry.row->parent_bus));
  if (entry.hot && entry.on_board_bus()) return NoHotPlug(NameOfBoardBus(entry.row->parent_bus));
  DAVIT_ASSIGN(entry.plain, entry.row->make_busless(
                                context_, DeviceProperties(entry.spec, entry.path, entry.hot)));
  return {};
}

// --- life ------------------------------------------------------------------------------------

void Devices::Reset() {
  // As in QEMU, that behind the newest port first; what waits behind a port that waits itself goes
  // with it.
  for (size_t i = entries_.size(); i-- > 0;) {
    if (i >= entries_.size()) continue;
    for (Entry* const child : ChildrenOf(*entries_[i])) {
      if (!child->pending_until) continue;
      Finish(*child);
      break;  // a slot is emptied whole
    }
  }
  for (const auto& entry : entries_) {
    if (entry->on_slot()) {
      entry->frontend->Quiesce();
      slots_[entry->slot].transport->Reset();
    }
    if (entry->plain != nullptr) entry->plain->Reset();
    if (entry->frontend != nullptr) {
      entry->frontend->Quiesce();
      entry->frontend->device().OnMachineReset();
    }
  }
}

void Devices::OnRunning(bool running) {
  running_ = running;
  clock_.Run(running);
  for (const auto& entry : entries_) {
    if (entry->frontend != nullptr) entry->frontend->OnRunning(running);
    if (entry->plain != nullptr) entry->plain->OnRunning(running);
    if (entry->pci.on_running) entry->pci.on_running(running);
  }
}

Status Devices::OnMemory(const memory::GuestMemory& next) {
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i]->frontend == nullptr) continue;
    Status followed = entries_[i]->frontend->SetMemory(next);
    if (followed) continue;
    while (i-- > 0) {
      // The old table, which they could reach before.
      if (entries_[i]->frontend != nullptr) {
        (void)entries_[i]->frontend->SetMemory(context_.memory.Get());
      }
    }
    return followed;
  }
  return {};
}

}  // namespace davit::machine
