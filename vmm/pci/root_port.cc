// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See root_port.h. Offsets and values are those of QEMU 7.2's generic root port.
#include "vmm/pci/root_port.h"

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
constexpr uint16_t kControlEvents = 0x19;  // button, presence, command completed
constexpr uint16_t kControlInterrupt = 0x20;
constexpr uint16_t kControlAttentionOff = 0x00c0;
constexpr uint16_t kControlPowerLampOn = 0x0100, kControlPowerLampOff = 0x0300;
constexpr uint16_t kControlPowerOff = 0x0400;
constexpr uint16_t kStatusCommandCompleted = 0x10;
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
  return !(values_.power_controller &&
           (config().Get16(express_ + kExpressSlotControl) & kControlPowerOff));
}

void RootPort::ShowChild(bool present) {
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
  const bool present = secondary().Find(0) != nullptr;
  uint16_t control = kControlAttentionOff;
  if (values_.power_controller) {
    control |= present ? kControlPowerLampOn : kControlPowerLampOff | kControlPowerOff;
  }
  config().Set16(express_ + kExpressSlotControl, control);
  was_powered_ = powered();
  notified_ = false;
  ShowChild(present);
  Bridge::OnConfigReset();
}

void RootPort::OnChild(Function& child, bool present) {
  const auto lock = host()->Lock();
  if (FunctionOf(child.devfn()) != 0) return;
  ShowChild(present);
  // Before the guest runs, a device that is there is on.
  const uint32_t control = express_ + kExpressSlotControl;
  if (values_.power_controller) {
    const auto others =
        static_cast<uint16_t>(config().Get16(control) & ~(kControlPowerLampOff | kControlPowerOff));
    config().Set16(control, others | (present ? kControlPowerLampOn
                                              : kControlPowerLampOff | kControlPowerOff));
  }
  was_powered_ = powered();
  // A child that leaves is unmapped by its bus, without the lock.
  if (present) UpdateBehind();
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

void RootPort::OnConfigWritten(uint32_t offset, uint32_t size) {
  Bridge::OnConfigWritten(offset, size);
  const uint32_t control = express_ + kExpressSlotControl;
  if (offset >= control + 4 || offset + size <= control) return;
  if (offset < control + 2) {
    if (std::exchange(was_powered_, powered()) != powered()) {
      if (!powered()) ResetBehind();
      UpdateBehind();
    }
    // Each write of the control register is a command (6.7.3.2), and done.
    const uint32_t status = express_ + kExpressSlotStatus;
    config().Set16(status, config().Get16(status) | kStatusCommandCompleted);
  }
  Notify();
}

}  // namespace davit::pci
