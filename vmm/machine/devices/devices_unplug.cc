// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See devices.h: how devices go while the VM lives. A PCI function goes when the guest has switched
// its slot off (vmm/pci/root_port.h); what sits on another device goes at once, and hears of it by
// that device's own protocol; a device with a socket of its own kind asks the guest itself.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "vmm/backend/block/graph.h"
#include "vmm/devices/acpi_pci_hotplug.h"
#include "vmm/machine/devices/devices.h"
#include "vmm/pci/root_port.h"

namespace davit::machine {
namespace {

// How long a guest has time to answer before it may be asked again (its own time).
constexpr int64_t kAnswerTime = int64_t{5} * 1000 * 1000 * 1000;

}  // namespace

void Devices::RunSoon(std::function<void()> fn) {
  context_.loop.Post([alive = std::weak_ptr<bool>(alive_), fn = std::move(fn)] {
    if (!alive.expired()) fn();
  });
}

Result<Devices::Entry*> Devices::FindForUnplug(const std::string& id) const {
  const bool is_path = id.starts_with('/');
  const auto it = std::find_if(entries_.begin(), entries_.end(), [&](const auto& entry) {
    return is_path ? entry->path == id : !id.empty() && entry->spec.id == id;
  });
  if (it != entries_.end()) return it->get();
  return Fail(ErrorCode::kDeviceNotFound, fmt::format("Device '{}' not found", id));
}

Result<bool> Devices::AskUnplug(const Entry& entry) const {
  if (!entry.row->hotpluggable) {
    return Fail(fmt::format("Device '{}' does not support hotplugging", entry.spec.driver));
  }
  if (entry.on_slot()) return NoHotPlug(SlotName(entry.slot));
  if (const pci::Function* const function = entry.pci.function.get()) {
    auto* const port = dynamic_cast<pci::RootPort*>(function->bus()->bridge());
    if (port == nullptr) return NoHotPlug(function->bus()->name());
    if (entry.row->unplug_error != nullptr) return Fail(entry.row->unplug_error);
    if (!SlotIsAcpis(*port)) return port->AskUnplug();
    if (!port->acpi()) return NoHotPlug(function->bus()->name());
    // Of functions without function 0 the guest never knew; what it has ejected, it gives.
    if (port->secondary().Find(0) == nullptr || port->emptying()) return true;
    buses_.acpi_slots->RequestEject(*port->acpi(), 0);
    return false;
  }
  if (entry.on_board_bus()) return NoHotPlug(NameOfBoardBus(entry.row->parent_bus));
  return entry.plain->AskUnplug();
}

Status Devices::Unplug(const std::string& id) {
  DAVIT_ASSIGN(Entry* const entry, FindForUnplug(id));
  if (entry->pending_until && clock_.Now() < *entry->pending_until) {
    return Fail(fmt::format("Device {} is already in the process of unplug", id));
  }
  DAVIT_ASSIGN(const bool now, AskUnplug(*entry));
  if (!now) {
    if (const pci::Function* const function = entry->pci.function.get()) {
      // A guest that is asked by ACPI may be asked again at once: as it boots, it forgets events.
      const auto& port = static_cast<const pci::RootPort&>(*function->bus()->bridge());
      entry->pending_until = clock_.Now() + (SlotIsAcpis(port) ? 0 : kAnswerTime);
    }
  } else {
    Finish(*entry);
  }
  return {};
}

void Devices::Finish(Entry& entry) {
  const pci::Function* const function = entry.pci.function.get();
  // Without function 0 the others are not there for the guest, and have no bond.
  if (function != nullptr && function->bus()->Find(0) != nullptr) {
    EmptySlot(static_cast<pci::RootPort&>(*function->bus()->bridge()));
  } else {
    Remove(entry);
  }
}

Devices::Entry* Devices::FindFunction(const pci::Function* function) const {
  const auto it = std::find_if(entries_.begin(), entries_.end(), [function](const auto& entry) {
    return entry->pci.function.get() == function;
  });
  return it != entries_.end() ? it->get() : nullptr;
}

bool Devices::SlotIsAcpis(const pci::RootPort& port) const {
  return buses_.acpi_slots != nullptr && !FindFunction(&port)->hot;
}

// All functions of a slot go together: its power is one.
void Devices::EmptySlot(pci::RootPort& port) {
  for (const pci::Function* const function : port.secondary().functions()) {
    if (Entry* const entry = FindFunction(function)) Remove(*entry);
  }
  port.SlotEmptied();
}

// Meanwhile the port may be gone, or its slot empty or filled anew.
void Devices::SlotOff(const pci::Function* port) {
  Entry* const entry = FindFunction(port);
  if (entry == nullptr) return;
  auto& live = static_cast<pci::RootPort&>(*entry->pci.function);
  if (live.emptying()) EmptySlot(live);
}

std::vector<Devices::Entry*> Devices::ChildrenOf(const Entry& entry) const {
  auto* const bridge = dynamic_cast<pci::Bridge*>(entry.pci.function.get());
  std::vector<Entry*> children;
  for (auto it = entries_.rbegin(); it != entries_.rend(); ++it) {
    const pci::Function* const function = (*it)->pci.function.get();
    const bool behind =
        bridge != nullptr && function != nullptr && function->bus() == &bridge->secondary();
    if (behind || (*it)->parent == &entry) children.push_back(it->get());
  }
  return children;
}

// The guest cannot reach it any more, nothing of it is in flight; its back ends are still held.
void Devices::TakeDown(Entry& entry) {
  if (entry.parent != nullptr) {
    // Nothing of it is in flight while its host stands still.
    entry.parent->frontend->WhileQuiet([&] { entry.plain.reset(); });
  } else {
    entry.plain.reset();
  }
  auto& function = entry.pci.function;
  const auto* const port = dynamic_cast<const pci::RootPort*>(function.get());
  if (port != nullptr && port->acpi()) buses_.acpi_slots->RemoveBus(*port->acpi());
  if (function != nullptr && function->bus() != nullptr) function->bus()->Detach(*function);
  // An I/O thread raises interrupts through the function until its device is quiet.
  if (entry.frontend != nullptr) entry.frontend->Quiesce();
  function.reset();
}

void Devices::Remove(Entry& entry) {
  for (Entry* const child : ChildrenOf(entry)) Remove(*child);
  const bool has_part = entry.frontend != nullptr && entry.pci.function != nullptr;
  // A -drive goes with its device, behind it.
  std::vector<std::shared_ptr<backend::BlockBackend>> drives;
  if (context_.blocks != nullptr) {
    drives =
        context_.blocks->TakeDrivesOf({entry.spec.id, entry.path, entry.path + "/virtio-backend"});
  }
  TakeDown(entry);
  const auto at = std::find_if(entries_.begin(), entries_.end(),
                               [&](const auto& other) { return other.get() == &entry; });
  const std::unique_ptr<Entry> gone = std::move(*at);
  entries_.erase(at);
  // After the answer to the command that may be the cause, which waits for what that posted.
  RunSoon([this, id = gone->spec.id, path = gone->path, has_part] {
    RunSoon([this, id, path, has_part] {
      if (has_part) context_.emit(control::DeviceDeletedEvent{{}, path + "/virtio-backend"});
      context_.emit(control::DeviceDeletedEvent{id, path});
    });
  });
}

}  // namespace davit::machine
