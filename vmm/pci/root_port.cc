// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See root_port.h. Offsets and values are those of QEMU 7.2's generic root port.
#include "vmm/pci/root_port.h"

#include <fmt/format.h>

#include <utility>

#include "vmm/base/check.h"
#include "vmm/pci/express.h"
#include "vmm/pci/host_bridge.h"

namespace davit::pci {
namespace {

constexpr Identity kIdentity{.vendor = 0x1b36,
                             .device = 0x000c,
                             .revision = 0,
                             .class_code = 0x060400,
                             .subsystem_vendor = 0,
                             .subsystem = 0};

// Slot capabilities, control and status (PCI Express 4.0, 7.5.3.9 to 7.5.3.11).
constexpr uint32_t kSlotBase = 0x00020019;  // buttons and lamps, interlock
constexpr uint32_t kSlotPowerController = 0x02;
constexpr uint32_t kSlotHotplug = 0x60;  // capable, and surprise
constexpr unsigned kSlotNumberShift = 19;
constexpr uint16_t kEvents = 0x1f;         // bits of the status register
constexpr uint16_t kControlEvents = 0x19;  // button, presence, command completed
constexpr uint16_t kControlInterrupt = 0x20;
constexpr uint16_t kControlAttentionOff = 0x00c0;
constexpr uint16_t kControlPowerLampOn = 0x0100, kControlPowerLampOff = 0x0300;
constexpr uint16_t kControlPowerOff = 0x0400;
constexpr uint16_t kControlPowerLamp = 0x0300, kControlPowerLampBlink = 0x0200;
constexpr uint16_t kControlInterlock = 0x0800;
constexpr uint16_t kStatusButton = 0x01, kStatusPresenceChanged = 0x08;
constexpr uint16_t kStatusCommandCompleted = 0x10;
constexpr uint16_t kStatusLocked = 0x80;
constexpr uint16_t kStatusPresent = 0x40;
constexpr uint16_t kLinkActive = 0x2000;
constexpr uint16_t kFullLink = 0x0204;  // 16 GT/s, x32

constexpr uint32_t kAer = 0x100, kAcs = 0x148;

void AddAer(ConfigSpace& space) {
  space.AddExtendedCapability(kExtCapAer, 2, kAer, 0x48);
  space.SetWriteOneToClear(kAer + 0x04, 4, 0x03fff030);
  space.Set32(kAer + 0x0c, 0x00462030);  // severity
  space.SetWritable(kAer + 0x0c, 4, 0x03fff030);
  space.SetWriteOneToClear(kAer + 0x10, 4, 0x0000f1c1);
  space.Set32(kAer + 0x14, 0x0000e000);  // mask of correctable errors
  space.SetWritable(kAer + 0x14, 4, 0x0000f1c1);
  space.Set32(kAer + 0x18, 0x000002a0);
  space.SetWritable(kAer + 0x18, 4, 0x00000540);
  space.SetWritable(kAer + 0x2c, 4, 0x00000007);  // root error command
  space.SetWriteOneToClear(kAer + 0x30, 4, 0x0000007f);
}

void AddAcs(ConfigSpace& space) {
  space.AddExtendedCapability(kExtCapAcs, 1, kAcs, 8);
  space.Set16(kAcs + 4, 0x005f);
  space.SetWritable(kAcs + 6, 2, 0x005f);
}

}  // namespace

RootPort::RootPort(const RootPortConfig& config, HostBridge& host)
    : Bridge(kIdentity, config.function, host, config.bus_name), values_(config) {
  ConfigSpace& space = this->config();
  UsePin(1);
  AddSubsystemIds(space, kIdentity.vendor, 0, 0x40);
  msix_ = Msix::InOwnBar(*this, 0, 1, 0x48);
  const uint32_t at = space.AddCapability(kCapExpress, kExpressCapSize, 0x54);
  space.Set16(at + 2, 0x0142);      // version 2, root port, slot implemented
  space.Set32(at + 4, 0x00008000);  // role-based error reporting
  space.SetWritable(at + kExpressDeviceControl, 2, 0x000f);
  space.SetWriteOneToClear(at + kExpressDeviceStatus, 2, 0x000f);
  // 16 GT/s, x32, L0s, link active and bandwidth reporting.
  space.Set32(at + kExpressLinkCapabilities, 0x00300604 | uint32_t{config.port} << 24);
  space.Set32(at + kExpressSlotCapabilities,
              kSlotBase | (config.power_controller ? kSlotPowerController : 0) |
                  (config.hotplug ? kSlotHotplug : 0) | uint32_t{config.slot} << kSlotNumberShift);
  const uint16_t power = config.power_controller ? kControlPowerOff : 0;
  space.SetWritable(at + kExpressSlotControl, 2, 0x03f9 | power);
  space.SetWriteOneToClear(at + kExpressSlotStatus, 2, 0x001f);
  space.SetWritable(at + 0x1c, 2, 0x0007);          // root control
  space.SetWriteOneToClear(at + 0x20, 4, 1 << 16);  // PME status
  space.Set32(at + 0x24, 0x00300020);               // ARI forwarding, end-end TLP prefixes
  space.SetWritable(at + 0x28, 2, 0x8020);
  space.Set32(at + 0x2c, 0x0000001e);  // link speeds
  space.Set16(at + 0x30, 0x0004);
  express_ = at;
  MakeExpress(at);
  AddAer(space);
  AddAcs(space);
}

RootPort::~RootPort() = default;

Status RootPort::Realize(Bus& bus) {
  for (Function* function : bus.host().AllFunctions()) {
    const auto* other = dynamic_cast<const RootPort*>(function);
    if (other != nullptr && other->values_.chassis == values_.chassis &&
        other->values_.slot == values_.slot) {
      return Fail("Can't add chassis slot, error -16");
    }
  }
  return {};
}

bool RootPort::powered() const {
  return !emptying_ && !(values_.power_controller &&
                         (config().Get16(express_ + kExpressSlotControl) & kControlPowerOff));
}

void RootPort::ShowChild(bool present) {
  if (acpi_) return;
  ConfigSpace& space = config();
  uint16_t link = kFullLink;
  const Function* child = secondary().Find(0);
  if (present && child != nullptr) {
    if (const uint32_t at = child->config().FindCapability(kCapExpress)) {
      link = child->config().Get16(at + kExpressLinkStatus) & 0x03ff;
    }
  }
  const uint32_t status = express_ + kExpressSlotStatus;
  space.Set16(express_ + kExpressLinkStatus, present ? link | kLinkActive : link);
  space.Set16(status, static_cast<uint16_t>((space.Get16(status) & ~kStatusPresent) |
                                            (present ? kStatusPresent : 0)));
}

void RootPort::OnConfigReset() {
  const bool present = !emptying_ && secondary().Find(0) != nullptr;
  uint16_t control = kControlAttentionOff;
  if (values_.power_controller) {
    control |= present ? kControlPowerLampOn : kControlPowerLampOff | kControlPowerOff;
  }
  config().Set16(express_ + kExpressSlotControl, control);
  was_powered_ = powered();
  was_off_ = SlotIsOff();
  notified_ = false;
  ShowChild(present);
  Bridge::OnConfigReset();
}

void RootPort::OnChild(Function& child, ChildChange change) {
  const auto lock = host()->Lock();
  if (FunctionOf(child.devfn()) != 0) return;
  ShowChild(change != ChildChange::kLeaving);
  if (change == ChildChange::kPlugged && !acpi_) {
    AddStatus(kStatusPresenceChanged | kStatusButton);
    Notify();
  }
  // Before the guest runs, a device that is there is on; and nobody else switches a slot of ACPI
  // on.
  const bool on = change == ChildChange::kThere || (change == ChildChange::kPlugged && acpi_);
  if (on && values_.power_controller) {
    const uint32_t control = express_ + kExpressSlotControl;
    const auto others =
        static_cast<uint16_t>(config().Get16(control) & ~(kControlPowerLamp | kControlPowerOff));
    config().Set16(control, others | kControlPowerLampOn);
  }
  was_powered_ = powered();
  was_off_ = SlotIsOff();
  // A child that leaves is unmapped by its bus, without the lock.
  if (change != ChildChange::kLeaving) UpdateBehind();
}

Status RootPort::CheckPlug() {
  const auto lock = host()->Lock();
  if (!values_.hotplug) {
    return Fail(fmt::format("Hot-plug failed: unsupported by the port device '{}'", id()));
  }
  if (config().Get16(express_ + kExpressSlotStatus) & kStatusLocked) {
    return Fail("slot is electromechanically locked");
  }
  return {};
}

Result<bool> RootPort::AskUnplug() {
  const auto lock = host()->Lock();
  if (!values_.hotplug) {
    return Fail(fmt::format("Hot-unplug failed: unsupported by the port device '{}'", id()));
  }
  if (config().Get16(express_ + kExpressSlotStatus) & kStatusLocked) {
    return Fail("slot is electromechanically locked");
  }
  const uint16_t control = config().Get16(express_ + kExpressSlotControl);
  if ((control & kControlPowerLamp) == kControlPowerLampBlink) {
    return Fail("Hot-unplug failed: guest is busy (power indicator blinking)");
  }
  // Of functions without function 0 the guest never knew.
  if (secondary().Find(0) == nullptr) return true;
  const bool off = SlotIsOff();
  if (off) ShowChild(false);
  AddStatus(off ? kStatusPresenceChanged : kStatusButton);
  Notify();
  return off;
}

bool RootPort::emptying() {
  const auto lock = host()->Lock();
  return emptying_;
}

void RootPort::SlotEmptied() {
  const auto lock = host()->Lock();
  emptying_ = false;
  was_powered_ = powered();
}

void RootPort::AddStatus(uint16_t bits) {
  const uint32_t status = express_ + kExpressSlotStatus;
  config().Set16(status, config().Get16(status) | bits);
}

bool RootPort::SlotIsOff() const {
  const uint16_t control = config().Get16(express_ + kExpressSlotControl);
  return (!values_.power_controller || (control & kControlPowerOff)) &&
         (control & kControlPowerLamp) == kControlPowerLampOff;
}

void RootPort::Notify() {
  const uint16_t control = config().Get16(express_ + kExpressSlotControl);
  const uint16_t status = config().Get16(express_ + kExpressSlotStatus);
  const bool wanted = (control & kControlInterrupt) && (control & status & kControlEvents);
  if (std::exchange(notified_, wanted) == wanted) return;
  if (!msix_->enabled()) {
    SetIntx(wanted);
  } else if (wanted) {
    msix_->Trigger(0);
  }
}

// Two things are in a write that the register does not keep: the interlock's toggle, and whether
// the guest clears events blindly. Guests do so as they start, and would lose a press of the button
// that came before; events survive a write that clears more than is set.
void RootPort::OnConfigWriting(uint32_t offset, std::span<const uint8_t> data) {
  kept_events_.reset();
  interlock_ = false;
  const auto byte = [&](uint32_t at) -> uint8_t {
    return at >= offset && at - offset < data.size() ? data[at - offset] : 0;
  };
  const uint32_t status = express_ + kExpressSlotStatus;
  const auto events = static_cast<uint16_t>(config().Get16(status) & kEvents);
  if ((byte(status) & kEvents & ~events) != 0) kept_events_ = events;
  interlock_ = (byte(express_ + kExpressSlotControl + 1) & (kControlInterlock >> 8)) != 0;
}

void RootPort::OnConfigWritten(uint32_t offset, uint32_t size) {
  Bridge::OnConfigWritten(offset, size);
  const uint32_t control = express_ + kExpressSlotControl;
  if (offset >= control + 4 || offset + size <= control) return;
  if (kept_events_) AddStatus(*kept_events_);
  if (offset < control + 2) OnControlWritten();
  Notify();
}

void RootPort::OnControlWritten() {
  const uint32_t status = express_ + kExpressSlotStatus;
  if (interlock_) config().Set16(status, config().Get16(status) ^ kStatusLocked);
  // Once, when the last of the two goes off: guests write to the registers of empty slots, too.
  if (!std::exchange(was_off_, SlotIsOff()) && SlotIsOff() &&
      (config().Get16(status) & kStatusPresent) && values_.hotplug) {
    LetGo();
  }
  if (std::exchange(was_powered_, powered()) != powered()) {
    if (!powered()) ResetBehind();
    UpdateBehind();
  }
  // Each write of the control register is a command (6.7.3.2), and done.
  AddStatus(kStatusCommandCompleted);
}

void RootPort::Eject() {
  const auto lock = host()->Lock();
  if (emptying_ || secondary().Find(0) == nullptr) return;
  LetGo();
  was_powered_ = false;
  ResetBehind();
  UpdateBehind();
}

void RootPort::LetGo() {
  emptying_ = true;
  ShowChild(false);
  if (!acpi_) AddStatus(kStatusPresenceChanged);
  if (values_.powered_off) values_.powered_off(this);
}

}  // namespace davit::pci
