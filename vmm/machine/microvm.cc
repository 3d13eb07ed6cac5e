// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See microvm.h.
#include "vmm/machine/microvm.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "vmm/base/check.h"
#include "vmm/boot/acpi/acpi.h"
#include "vmm/boot/fdt/fdt.h"
#include "vmm/boot/kernel_loader.h"
#include "vmm/boot/memory_map.h"
#include "vmm/boot/microvm_layout.h"
#include "vmm/devices/acpi_ged.h"
#include "vmm/devices/cmos_rtc.h"
#include "vmm/devices/debug_port.h"
#include "vmm/devices/i8042.h"
#include "vmm/devices/ioapic.h"
#include "vmm/machine/collected_writes.h"
#include "vmm/machine/microvm_qtree.h"
#include "vmm/machine/rtc_source.h"
#include "vmm/machine/serial_ports.h"
#include "vmm/machine/vm_clock.h"

namespace davit::machine {
namespace {

using control::ShutdownCause;

// Linux on hardware-reduced ACPI without EFI restarts by a jump to F000:FFF0 in real mode, where a
// PC has its firmware. There is none here: the place holds `mov al, 0xfe; out 0x64, al; cli; hlt;
// jmp $-2`.
constexpr uint64_t kRealModeRestart = 0xffff0;
constexpr std::array<uint8_t, 8> kRestartCode = {0xb0, 0xfe, 0xe6, 0x64, 0xfa, 0xf4, 0xeb, 0xfc};
static_assert(kRealModeRestart + kRestartCode.size() <=
              boot::kAcpiTablesBase + boot::kAcpiTablesSize);

class Microvm final : public Board {
 public:
  Microvm(const MicrovmDeps& deps, const cpu::Topology& topology)
      : deps_(deps), topology_(topology), serials_(ports_, deps.accel, 1) {}

  Status Init(const MachineConfig& config, const MachineOptions& options);

  bus::Bus& ports() override { return ports_; }
  bus::Bus& mmio() override { return mmio_; }
  Result<std::optional<boot::BootEntry>> Reset() override;
  void OnRunning(bool running) override { clock_.Run(running); }
  void Powerdown() override {
    if (ged_) ged_->PressPowerButton();
  }
  void EndOfInterrupt(uint8_t vector) override {
    if (ioapic_ != nullptr) ioapic_->EndOfInterrupt(vector);
  }
  BoardBuses device_buses() override;
  SerialHost* serial_ports() override { return &serials_; }
  control::QtreeNode::Bus Qtree() const override { return BuildQtree(shape_); }
  const std::vector<std::byte>& device_tree() const override { return device_tree_; }
  void set_virtio_slots(std::vector<size_t> slots) override { virtio_slots_ = std::move(slots); }

 private:
  Status CheckOptions(const MachineConfig& config, const MachineOptions& options);
  Status OpenImages(const MachineConfig& config);
  Status AddIrqchip();
  Result<backend::Chardev*> FindChardev(const std::string& id) const;
  Status AddSerial(const MachineConfig& config);
  Status AddDebugPort(const std::string& chardev_id);
  Status AddI8042();
  Status AddGed();
  Status AddRtc(const RtcConfig& config);
  irq::IrqLine& Line(uint32_t gsi) { return deps_.accel.Line(gsi); }
  std::string CommandLine() const;
  boot::AcpiConfig Acpi() const;
  Result<std::vector<std::byte>> DeviceTree(boot::GuestRange initrd) const;

  MicrovmDeps deps_;
  const cpu::Topology topology_;
  MicrovmShape shape_;
  VmClock clock_;
  bus::Bus ports_{"I/O port"};
  bus::Bus mmio_{"MMIO"};

  std::optional<boot::Image> kernel_, initrd_, dtb_;
  std::string append_;
  bool auto_command_line_ = true;
  std::vector<size_t> virtio_slots_;  // with a device
  std::vector<std::byte> device_tree_;

  devices::Ioapic* ioapic_ = nullptr;
  SerialPorts serials_;
  std::unique_ptr<devices::I8042> i8042_;
  std::unique_ptr<devices::AcpiGed> ged_;
  std::unique_ptr<devices::CmosRtc> rtc_;
  std::optional<devices::DebugPort> debug_port_;
};

Status Microvm::Init(const MachineConfig& config, const MachineOptions& options) {
  DAVIT_TRY(CheckOptions(config, options));
  DAVIT_TRY(OpenImages(config));
  DAVIT_TRY(AddIrqchip());
  if (options.isa_serial) DAVIT_TRY(AddSerial(config));
  DAVIT_TRY(AddI8042());
  if (shape_.acpi) DAVIT_TRY(AddGed());
  if (shape_.rtc) DAVIT_TRY(AddRtc(config.rtc));
  if (!config.debugcon.empty()) DAVIT_TRY(AddDebugPort(config.debugcon));
  deps_.accel.CollectWrites(kPostCodes);
  return {};
}

Status Microvm::CheckOptions(const MachineConfig& config, const MachineOptions& options) {
  const bool kvm = deps_.accel.kvm() != nullptr;
  shape_.split_irqchip = deps_.accel.ioapic() != nullptr;
  shape_.acpi = options.acpi != OnOffAuto::kOff;
  // As in QEMU: with KVM the guest has kvmclock and needs no RTC unless asked for.
  shape_.rtc = options.rtc == OnOffAuto::kOn || (options.rtc == OnOffAuto::kAuto && !kvm);
  if (shape_.split_irqchip) {
    // The 8259s and the 8254 exist in the kernel only, and there only as a whole.
    for (const auto& [name, value] : {std::pair("pic", options.pic), {"pit", options.pit}}) {
      if (value == OnOffAuto::kOn) {
        return Fail(
            fmt::format("{}=on needs {}", name, kvm ? "kernel-irqchip=on" : "the accelerator kvm"));
      }
    }
  } else {
    shape_.pic = options.pic != OnOffAuto::kOff;
    shape_.pit = options.pit != OnOffAuto::kOff;
  }
  if (config.serials.size() > 1) {
    return Fail(fmt::format("machine 'microvm' has 1 serial port, {} are configured",
                            config.serials.size()));
  }
  append_ = config.append;
  auto_command_line_ = options.auto_kernel_cmdline;
  return {};
}

Result<boot::Image> OpenImage(boot::ImageRole role, const ImageSource& source) {
  if (const auto* bytes = std::get_if<std::span<const std::byte>>(&source)) {
    return boot::Image::FromBytes(role, *bytes);
  }
  return boot::Image::Open(role, std::get<std::string>(source));
}

Status Microvm::OpenImages(const MachineConfig& config) {
  // Without vCPUs (qtest) there may be none.
  if (std::holds_alternative<std::monostate>(config.kernel)) return {};
  DAVIT_ASSIGN(kernel_, OpenImage(boot::ImageRole::kKernel, config.kernel));
  if (!std::holds_alternative<std::monostate>(config.initrd)) {
    DAVIT_ASSIGN(initrd_, OpenImage(boot::ImageRole::kInitrd, config.initrd));
  }
  if (!config.dtb.empty()) {
    DAVIT_ASSIGN(dtb_, boot::Image::Open(boot::ImageRole::kDtb, config.dtb));
  }
  return {};
}

Status Microvm::AddIrqchip() {
  ioapic_ = deps_.accel.ioapic();
  if (ioapic_ == nullptr) return {};
  deps_.accel.CollectWrites(kIoapicIndex);
  return mmio_.Claim(boot::kIoapicBase, devices::Ioapic::kSize, "ioapic", ioapic_);
}

Result<backend::Chardev*> Microvm::FindChardev(const std::string& id) const {
  backend::Chardev* chardev = deps_.chardevs != nullptr ? deps_.chardevs->Find(id) : nullptr;
  if (chardev == nullptr) return Fail(fmt::format("chardev '{}' not found", id));
  return chardev;
}

// Only a port with a back end exists, as in QEMU.
Status Microvm::AddSerial(const MachineConfig& config) {
  if (config.serials.empty() || config.serials[0].empty()) return {};
  DAVIT_ASSIGN(backend::Chardev* const chardev, FindChardev(config.serials[0]));
  DAVIT_TRY(serials_.Add(0, chardev));
  shape_.serial = true;
  return {};
}

Status Microvm::AddDebugPort(const std::string& chardev_id) {
  DAVIT_ASSIGN(backend::Chardev* const chardev, FindChardev(chardev_id));
  debug_port_.emplace();
  DAVIT_TRY(debug_port_->Connect(chardev));
  shape_.debugcon_chardev = chardev_id;
  return ports_.Claim(boot::kDebugPort, devices::DebugPort::kPorts, "debug port", &*debug_port_);
}

Status Microvm::AddI8042() {
  i8042_ = std::make_unique<devices::I8042>(
      nullptr,
      devices::I8042::Callbacks{[this] { deps_.requests.Reset(ShutdownCause::kGuestReset); }, {}});
  DAVIT_TRY(ports_.Claim(boot::kI8042DataPort, 1, "i8042 data", &i8042_->data_port()));
  return ports_.Claim(boot::kI8042CommandPort, 1, "i8042 command", &i8042_->command_port());
}

Status Microvm::AddGed() {
  ged_ = std::make_unique<devices::AcpiGed>(
      Line(boot::kGedGsi), devices::AcpiGed::Callbacks{
                               [this] { deps_.requests.Shutdown(ShutdownCause::kGuestShutdown); },
                               [this] { deps_.requests.Reset(ShutdownCause::kGuestReset); }});
  DAVIT_TRY(
      mmio_.Claim(boot::kGedEventBase, boot::kGedEventSize, "acpi-ged", &ged_->event_window()));
  return mmio_.Claim(boot::kGedRegsBase, boot::kGedRegsSize, "acpi-ged-regs", &ged_->regs_window());
}

Status Microvm::AddRtc(const RtcConfig& config) {
  using devices::CmosRtc;
  rtc_ = std::make_unique<CmosRtc>(Line(boot::kRtcGsi), deps_.accel.device_loop(),
                                   RtcSource(config, deps_.accel, clock_), RtcStart(config),
                                   RtcLostTicks(config));
  shape_.rtc_slew = config.slew;
  const boot::RamSplit ram =
      boot::SplitRam(deps_.memory.total_bytes(), boot::kMicrovmMaxRamBelow4G);
  rtc_->SetMemorySize(ram.below_4g, ram.above_4g);
  deps_.accel.CollectWrites(kRtcIndex);
  return ports_.Claim(boot::kRtcPort, CmosRtc::kPorts, "rtc", rtc_.get());
}

Result<std::vector<std::byte>> Microvm::DeviceTree(boot::GuestRange initrd) const {
  boot::FdtConfig fdt;
  for (uint32_t i = 0; i < topology_.cpus; ++i) fdt.apic_ids.push_back(topology_.ApicIdOf(i));
  fdt.ram = boot::RamRanges(deps_.memory);
  fdt.bootargs = CommandLine();
  fdt.initrd = initrd;
  fdt.serial = serials_.present()[0];
  fdt.rtc = shape_.rtc;
  fdt.ged = shape_.acpi;
  fdt.virtio = boot::MicrovmVirtioMmioMap(shape_.acpi, false);
  fdt.virtio_slots = virtio_slots_;
  if (dtb_) return boot::CompleteFdt(fdt, *dtb_);
  return boot::BuildFdt(fdt);
}

BoardBuses Microvm::device_buses() {
  BoardBuses buses;
  buses.mmio = &mmio_;
  const boot::VirtioMmioMap map = boot::MicrovmVirtioMmioMap(shape_.acpi, false);
  for (size_t i = 0; i < map.slots; ++i) {
    buses.virtio_mmio.push_back({map.SlotBase(i), map.SlotGsi(i)});
  }
  // As in QEMU: behind the vCPUs, and four devices that come between.
  buses.first_object = topology_.cpus + 4;
  buses.others = {{"main-system-bus", "System"}, {"isa.0", "ISA"}};
  return buses;
}

// Without ACPI Linux knows of virtio-mmio devices by its command line alone (the module parameter
// virtio_mmio.device=SIZE@BASE:IRQ). In QEMU's order.
std::string Microvm::CommandLine() const {
  std::string line = append_;
  if (shape_.acpi || !auto_command_line_) return line;
  const boot::VirtioMmioMap map = boot::MicrovmVirtioMmioMap(false, false);
  for (auto slot = virtio_slots_.rbegin(); slot != virtio_slots_.rend(); ++slot) {
    line += fmt::format(" virtio_mmio.device={}@{:#x}:{}", boot::kVirtioMmioStride,
                        map.SlotBase(*slot), map.SlotGsi(*slot));
  }
  return line;
}

boot::AcpiConfig Microvm::Acpi() const {
  boot::AcpiConfig acpi;
  for (uint32_t i = 0; i < topology_.cpus; ++i) acpi.cpus.push_back({topology_.ApicIdOf(i), true});
  acpi.serial = serials_.present()[0];
  acpi.rtc = shape_.rtc;
  acpi.pic = shape_.pic;
  acpi.virtio = boot::MicrovmVirtioMmioMap(true, false);
  acpi.virtio_slots = virtio_slots_;
  return acpi;
}

Result<std::optional<boot::BootEntry>> Microvm::Reset() {
  if (ioapic_ != nullptr) ioapic_->Reset();
  serials_.Reset();
  i8042_->Reset();
  if (ged_) ged_->Reset();
  if (rtc_) rtc_->Reset();

  boot::LoadRequest request;
  request.kernel = kernel_ ? &*kernel_ : nullptr;
  request.initrd = initrd_ ? &*initrd_ : nullptr;
  request.cmdline = CommandLine();
  request.make_fdt = [this](boot::GuestRange initrd) { return DeviceTree(initrd); };
  if (shape_.acpi) {
    DAVIT_ASSIGN(const boot::AcpiImage image, boot::BuildAcpi(Acpi()));
    DAVIT_CHECK(image.base + image.bytes.size() <= kRealModeRestart);
    DAVIT_TRY(boot::WriteAcpi(deps_.memory, image));
    request.rsdp = image.rsdp;
  }
  if (deps_.memory.Contains({kRealModeRestart}, kRestartCode.size())) {
    DAVIT_TRY(deps_.memory.Write({kRealModeRestart}, std::as_bytes(std::span(kRestartCode))));
  }
  if (!kernel_) return std::nullopt;
  DAVIT_ASSIGN(boot::LoadedKernel loaded, boot::LoadKernel(deps_.memory, request));
  device_tree_ = std::move(loaded.fdt_blob);
  return loaded.entry;
}

}  // namespace

Result<std::unique_ptr<Board>> MakeMicrovm(const MicrovmDeps& deps, const MachineConfig& config,
                                           const MachineOptions& options,
                                           const cpu::Topology& topology) {
  auto board = std::make_unique<Microvm>(deps, topology);
  DAVIT_TRY(board->Init(config, options));
  return board;
}

}  // namespace davit::machine
