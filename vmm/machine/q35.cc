// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See q35.h.
#include "vmm/machine/q35.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "vmm/base/endian.h"
#include "vmm/boot/acpi/q35.h"
#include "vmm/boot/fdt/fdt.h"
#include "vmm/boot/kernel_loader.h"
#include "vmm/boot/q35_layout.h"
#include "vmm/boot/smbios/smbios.h"
#include "vmm/devices/acpi_cpu_hotplug.h"
#include "vmm/devices/acpi_pci_hotplug.h"
#include "vmm/devices/cmos_rtc.h"
#include "vmm/devices/debug_port.h"
#include "vmm/devices/fw_cfg.h"
#include "vmm/devices/i8042.h"
#include "vmm/devices/ich9_pm.h"
#include "vmm/devices/ich9_ports.h"
#include "vmm/devices/ioapic.h"
#include "vmm/devices/memory_hotplug.h"
#include "vmm/devices/uart16550.h"
#include "vmm/irq/shared_line.h"
#include "vmm/machine/collected_writes.h"
#include "vmm/machine/pci_info.h"
#include "vmm/machine/q35_fw_cfg.h"
#include "vmm/machine/q35_qtree.h"
#include "vmm/machine/q35_smbios.h"
#include "vmm/machine/rtc_source.h"
#include "vmm/machine/serial_ports.h"
#include "vmm/machine/vm_clock.h"
#include "vmm/pci/q35/ich9_lpc.h"
#include "vmm/pci/q35/mch.h"
#include "vmm/pci/root_port.h"

namespace davit::machine {
namespace {

using control::ShutdownCause;

constexpr uint8_t kMchAddress = pci::Devfn(0, 0);
constexpr uint8_t kLpcAddress = pci::Devfn(31, 0);

// CMOS bytes that firmware looks at beside the memory sizes.
constexpr uint8_t kCmosEquipment = 0x14, kCmosCpus = 0x5f;
constexpr uint8_t kEquipmentMouseAndFpu = 0x06;

class Q35 final : public Board {
 public:
  Q35(const Q35Deps& deps, const cpu::Topology& topology);
  ~Q35() override;

  Status Init(const MachineConfig& config, const MachineOptions& options);

  bus::Bus& ports() override { return ports_; }
  bus::Bus& mmio() override { return mmio_; }
  Result<std::optional<boot::BootEntry>> Reset() override;
  void OnRunning(bool running) override;
  void Powerdown() override { pm_.PressPowerButton(); }
  void EndOfInterrupt(uint8_t vector) override {
    if (ioapic_ != nullptr) ioapic_->EndOfInterrupt(vector);
  }
  devices::FwCfg* fw_cfg() override { return &fw_cfg_; }
  std::optional<MemoryDevices::Window> memory_window() const override {
    return MemoryDevices::Window{window_.base, window_.size, window_.capacity};
  }
  devices::MemoryHotplug* memory_slots() override {
    return memory_slots_ ? &*memory_slots_ : nullptr;
  }
  BoardBuses device_buses() override {
    BoardBuses buses;
    buses.mmio = &mmio_;
    buses.pci = &pci_;
    buses.pci_object = "q35";
    buses.acpi_slots = acpi_pci_ ? &pci_hotplug_ : nullptr;
    buses.others = {{"main-system-bus", "System"}, {"isa.0", "ISA"}};
    return buses;
  }
  SerialHost* serial_ports() override { return &serials_; }
  devices::AcpiCpuHotplug* cpu_hotplug() override { return &cpu_hotplug_; }
  void OnCpuCount(uint32_t present) override;
  control::QtreeNode::Bus Qtree() const override { return BuildQtree(shape_); }
  std::vector<control::PciBus> Pci() override { return DescribePci(pci_); }
  const std::vector<std::byte>& device_tree() const override { return device_tree_; }

 private:
  Status CheckOptions(const MachineConfig& config, const MachineOptions& options);
  Status OpenImages(const MachineConfig& config);
  Status AddPci();
  Status AddPorts(const MachineOptions& options);
  Status AddSerials(const MachineConfig& config);
  Status AddRtc(const RtcConfig& config);
  Status AddDebugPort(const std::string& chardev_id);
  Status AddFwCfg(const MachineConfig& config);
  Status AddMemorySlots(const MemoryConfig& config);
  Result<backend::Chardev*> FindChardev(const std::string& id) const;
  std::vector<uint64_t> NumaItem() const;
  boot::Q35Acpi Acpi();
  bool Reserved(uint64_t base, uint64_t size) const;
  void ResetDevices();
  void ProgramChipset();
  Result<boot::LoadedKernel> LoadKernel(const std::optional<boot::Q35Acpi>& acpi);
  static std::vector<uint32_t> ApicIds(const cpu::Topology& topology);
  static pci::PirqRouter::Lines AllLines(Accel& accel);
  void AskReset() { deps_.requests.Reset(ShutdownCause::kGuestReset); }

  Q35Deps deps_;
  const cpu::Topology topology_;
  const bool kvm_;
  Q35Shape shape_;
  VmClock clock_;
  bus::Bus ports_{"I/O port"};
  bus::Bus mmio_{"MMIO"};

  std::optional<boot::Image> kernel_, initrd_;
  std::vector<std::byte> dtb_;  // handed over as it is; empty: none
  std::string append_;
  std::vector<std::byte> smbios_;             // structures
  const std::vector<std::byte> device_tree_;  // none

  boot::DeviceMemoryWindow window_;

  devices::Ioapic* const ioapic_;
  pci::PirqRouter router_;
  devices::Ich9Pm pm_;
  devices::ResetControl reset_control_{[this] { AskReset(); }};
  devices::Port92 port92_{[this] { AskReset(); }};
  devices::ApmPorts apm_{[this](bool on) { pm_.EnableAcpi(on); }};
  devices::ElcrPorts elcr_;
  devices::AcpiCpuHotplug cpu_hotplug_;
  bool acpi_pci_ = false;  // slots of PCI Express are ACPI's
  devices::AcpiPciHotplug pci_hotplug_{[this] { pm_.RaiseGpe(boot::kQ35PciHotplugGpe); }};
  std::unique_ptr<devices::I8042> i8042_;
  SerialPorts serials_;
  std::unique_ptr<devices::CmosRtc> rtc_;
  std::optional<devices::DebugPort> debug_port_;
  std::optional<devices::MemoryHotplug> memory_slots_;  // with ACPI
  FwCfgRam fw_cfg_ram_;
  devices::FwCfg fw_cfg_{fw_cfg_ram_};
  pci::HostBridge pci_;
  pci::Mch mch_;
  std::optional<pci::Ich9Lpc> lpc_;
};

pci::PirqRouter::Lines Q35::AllLines(Accel& accel) {
  pci::PirqRouter::Lines lines{};
  for (uint32_t gsi = 0; gsi < lines.size(); ++gsi) lines[gsi] = &accel.Line(gsi);
  return lines;
}

std::vector<uint32_t> Q35::ApicIds(const cpu::Topology& topology) {
  std::vector<uint32_t> ids;
  ids.reserve(topology.maxcpus);
  for (uint32_t i = 0; i < topology.maxcpus; ++i) ids.push_back(topology.ApicIdOf(i));
  return ids;
}

Q35::Q35(const Q35Deps& deps, const cpu::Topology& topology)
    : deps_(deps),
      topology_(topology),
      kvm_(deps.accel.kvm() != nullptr),
      ioapic_(deps.accel.ioapic()),
      router_(AllLines(deps.accel)),
      pm_(router_.sci(), deps.accel.device_loop(),
          {[this] { deps_.requests.Shutdown(ShutdownCause::kGuestShutdown); },
           [this] { deps_.requests.WatchdogExpired(); }}),
      cpu_hotplug_(ApicIds(topology), {[this] { pm_.RaiseGpe(boot::kQ35CpuHotplugGpe); },
                                       deps.cpu_ejected, deps.cpu_reported, deps.cpu_refused}),
      serials_(ports_, deps.accel),
      fw_cfg_ram_(deps.live_memory),
      pci_({.ports = ports_,
            .mmio = mmio_,
            .msi = deps.accel.msi(),
            .intx = router_,
            .reserved = [this](uint64_t base, uint64_t size) { return Reserved(base, size); }},
           "pcie.0") {
  // The guest's time begins when it first runs; a qtest client moves it by itself.
  if (kvm_) pm_.Run(false);
}

Q35::~Q35() {
  if (lpc_ && lpc_->bus() != nullptr) pci_.root().Detach(*lpc_);
  if (mch_.bus() != nullptr) pci_.root().Detach(mch_);
}

Status Q35::Init(const MachineConfig& config, const MachineOptions& options) {
  DAVIT_TRY(CheckOptions(config, options));
  DAVIT_TRY(OpenImages(config));
  DAVIT_TRY(AddSerials(config));
  DAVIT_TRY(AddPci());
  DAVIT_TRY(AddPorts(options));
  DAVIT_TRY(AddMemorySlots(config.memory));
  DAVIT_TRY(AddRtc(config.rtc));
  if (!config.debugcon.empty()) DAVIT_TRY(AddDebugPort(config.debugcon));
  return AddFwCfg(config);
}

Status Q35::CheckOptions(const MachineConfig& config, const MachineOptions& options) {
  shape_.split_irqchip = ioapic_ != nullptr;
  shape_.acpi = options.acpi != OnOffAuto::kOff;
  shape_.i8042 = options.i8042;
  // The 8259s and the 8254 exist in the kernel only, and there only as a whole.
  const bool in_kernel = kvm_ && !shape_.split_irqchip;
  for (const auto& [name, value] : {std::pair("pic", options.pic), {"pit", options.pit}}) {
    if (value == OnOffAuto::kOn && !in_kernel) {
      return Fail(
          fmt::format("{}=on needs {}", name, kvm_ ? "kernel-irqchip=on" : "the accelerator kvm"));
    }
  }
  shape_.pic = in_kernel && options.pic != OnOffAuto::kOff;
  shape_.pit = in_kernel && options.pit != OnOffAuto::kOff;
  if (config.serials.size() > SerialPorts::kPorts) {
    return Fail(fmt::format("machine 'pc-q35-7.2' has {} serial ports, {} are configured",
                            SerialPorts::kPorts, config.serials.size()));
  }
  const uint64_t ram = deps_.memory.total_bytes();
  shape_.ram = boot::SplitRam(ram, boot::Q35MaxRamBelow4G(ram));
  const uint64_t slots = config.memory.slots;
  const uint64_t most = std::max(config.memory.maxmem.value_or(0), ram);
  if (most > ram && slots > boot::kQ35MaxMemorySlots) {
    return Fail(fmt::format("unsupported amount of memory slots: {}", slots));
  }
  if (most > ram && most % kPageSize != 0) {
    return Fail(
        fmt::format("maximum memory size must by aligned to multiple of {} bytes", kPageSize));
  }
  window_ = boot::Q35DeviceMemory(ram, most, slots);
  append_ = config.append;
  acpi_pci_ = config.acpi_pci_hotplug;
  pm_.tco().Strap(config.tco_no_reboot);
  return {};
}

Result<boot::Image> OpenImage(boot::ImageRole role, const ImageSource& source) {
  if (const auto* bytes = std::get_if<std::span<const std::byte>>(&source)) {
    return boot::Image::FromBytes(role, *bytes);
  }
  return boot::Image::Open(role, std::get<std::string>(source));
}

Status Q35::OpenImages(const MachineConfig& config) {
  // Without vCPUs (qtest) there may be none.
  if (std::holds_alternative<std::monostate>(config.kernel)) return {};
  DAVIT_ASSIGN(kernel_, OpenImage(boot::ImageRole::kKernel, config.kernel));
  if (!std::holds_alternative<std::monostate>(config.initrd)) {
    DAVIT_ASSIGN(initrd_, OpenImage(boot::ImageRole::kInitrd, config.initrd));
  }
  if (!config.dtb.empty()) {
    DAVIT_ASSIGN(const boot::Image dtb, boot::Image::Open(boot::ImageRole::kDtb, config.dtb));
    DAVIT_ASSIGN(dtb_, boot::ReadFdt(dtb));
  }
  return {};
}

// What no BAR and no ECAM window may cover: RAM, the place for more of it, and what KVM serves by
// itself or takes.
bool Q35::Reserved(uint64_t base, uint64_t size) const {
  const uint64_t last = base + (size - 1);
  const auto touches = [base, last](uint64_t at, uint64_t bytes) {
    return base < at + bytes && last >= at;
  };
  for (const memory::Region& region : deps_.memory.regions()) {
    if (touches(region.base.value, region.size)) return true;
  }
  if (window_.size != 0 && touches(window_.base, window_.size)) return true;
  return touches(boot::kIoapicBase, boot::kIoapicSize) ||
         touches(boot::kLapicBase, boot::kLapicSize) ||
         touches(boot::kKvmIdentityMapBase, 4 * kPageSize);
}

Status Q35::AddPci() {
  if (ioapic_ != nullptr) {
    deps_.accel.CollectWrites(kIoapicIndex);
    DAVIT_TRY(mmio_.Claim(boot::kIoapicBase, devices::Ioapic::kSize, "ioapic", ioapic_));
  }
  DAVIT_TRY(pci_.ClaimPorts());
  pci_.SetResetPort(&reset_control_);
  DAVIT_TRY(pci_.root().Attach(mch_, kMchAddress));
  lpc_.emplace(pci::Ich9LpcDeps{ports_, mmio_, pm_, router_,
                                [this](bool set) { pm_.tco().SetNoReboot(set); }});
  return pci_.root().Attach(*lpc_, kLpcAddress);
}

Status Q35::AddPorts(const MachineOptions& options) {
  deps_.accel.CollectWrites(kPostCodes);
  DAVIT_TRY(ports_.Claim(boot::kPort92, 1, "port92", &port92_));
  DAVIT_TRY(ports_.Claim(boot::kApmPorts, devices::ApmPorts::kPorts, "apm", &apm_));
  DAVIT_TRY(ports_.Claim(boot::kQ35CpuHotplugPort, devices::AcpiCpuHotplug::kPorts, "CPU hot-plug",
                         &cpu_hotplug_));
  if (acpi_pci_) {
    DAVIT_TRY(ports_.Claim(boot::kQ35PciHotplugPort, devices::AcpiPciHotplug::kPorts,
                           "PCI hot-plug", &pci_hotplug_));
  }
  // KVM's 8259s have them, and are there even with pic=off.
  if (!kvm_ || shape_.split_irqchip) {
    DAVIT_TRY(ports_.Claim(boot::kElcrPort, devices::ElcrPorts::kPorts, "elcr", &elcr_));
  }
  if (!options.i8042) return {};
  i8042_ = std::make_unique<devices::I8042>(nullptr,
                                            devices::I8042::Callbacks{[this] { AskReset(); }, {}});
  DAVIT_TRY(ports_.Claim(boot::kI8042DataPort, 1, "i8042 data", &i8042_->data_port()));
  return ports_.Claim(boot::kI8042CommandPort, 1, "i8042 command", &i8042_->command_port());
}

Status Q35::AddMemorySlots(const MemoryConfig& config) {
  if (!shape_.acpi) return {};
  const uint32_t slots = window_.size != 0 ? static_cast<uint32_t>(config.slots) : 0;
  memory_slots_.emplace(
      slots, devices::MemoryHotplug::Callbacks{[this] { pm_.RaiseGpe(boot::kQ35MemoryHotplugGpe); },
                                               deps_.memory_report});
  if (slots == 0) return {};
  return ports_.Claim(boot::kQ35MemoryHotplugPorts, devices::MemoryHotplug::kPorts,
                      "memory hot-plug", &*memory_slots_);
}

Result<backend::Chardev*> Q35::FindChardev(const std::string& id) const {
  backend::Chardev* chardev = deps_.chardevs != nullptr ? deps_.chardevs->Find(id) : nullptr;
  if (chardev == nullptr) return Fail(fmt::format("chardev '{}' not found", id));
  return chardev;
}

// Only ports with a back end exist, as in QEMU.
Status Q35::AddSerials(const MachineConfig& config) {
  for (size_t i = 0; i < config.serials.size(); ++i) {
    const std::string& id = config.serials[i];
    if (id.empty()) continue;
    DAVIT_ASSIGN(backend::Chardev* const chardev, FindChardev(id));
    DAVIT_TRY(serials_.Add(static_cast<uint32_t>(i), chardev));
    shape_.serials[i] = true;
  }
  return {};
}

Status Q35::AddDebugPort(const std::string& chardev_id) {
  DAVIT_ASSIGN(backend::Chardev* const chardev, FindChardev(chardev_id));
  debug_port_.emplace();
  DAVIT_TRY(debug_port_->Connect(chardev));
  shape_.debugcon_chardev = chardev_id;
  return ports_.Claim(boot::kDebugPort, devices::DebugPort::kPorts, "debug port", &*debug_port_);
}

Status Q35::AddRtc(const RtcConfig& config) {
  rtc_ = std::make_unique<devices::CmosRtc>(
      deps_.accel.Line(boot::kRtcGsi), deps_.accel.device_loop(),
      RtcSource(config, deps_.accel, clock_), RtcStart(config), RtcLostTicks(config));
  shape_.rtc_slew = config.slew;
  rtc_->SetMemorySize(shape_.ram.below_4g, shape_.ram.above_4g);
  rtc_->SetRam(kCmosEquipment, kEquipmentMouseAndFpu);
  deps_.accel.CollectWrites(kRtcIndex);
  return ports_.Claim(boot::kRtcPort, devices::CmosRtc::kPorts, "rtc", rtc_.get());
}

Status Q35::AddFwCfg(const MachineConfig& config) {
  // The selector; writes of the data port, which do nothing, also lie inside.
  deps_.accel.CollectWrites({.pio = true, .address = boot::kFwCfgPort, .size = 2});
  DAVIT_TRY(ports_.Claim(boot::kFwCfgPort, devices::FwCfg::kPorts, "fw_cfg", &fw_cfg_.ports()));
  DAVIT_TRY(ports_.Claim(boot::kFwCfgDmaPort, devices::FwCfg::kDmaPorts, "fw_cfg DMA",
                         &fw_cfg_.dma_ports()));
  FwCfgContents contents;
  contents.uuid = config.uuid;
  contents.max_cpus = static_cast<uint16_t>(topology_.maxcpus);
  contents.memory = deps_.memory;
  contents.numa = NumaItem();
  if (window_.size != 0) contents.reserved_memory_end = boot::Q35Hole64Base(window_);
  DAVIT_ASSIGN(const boot::SmbiosConfig smbios, Q35Smbios(config, topology_, deps_.memory));
  DAVIT_ASSIGN(smbios_, boot::BuildSmbios(smbios));
  contents.smbios = smbios_;
  std::optional<boot::Q35Acpi> acpi;
  if (shape_.acpi) acpi = Acpi();
  DAVIT_TRY(FillFwCfg(fw_cfg_, contents, acpi));
  return AddUserFiles(fw_cfg_, config.fw_cfg);
}

// For firmware: how many nodes there are, the node of each CPU by APIC id, bytes of each node.
std::vector<uint64_t> Q35::NumaItem() const {
  std::vector<uint64_t> item(1 + topology_.ApicIdOf(topology_.maxcpus - 1) + 1);
  item[0] = deps_.numa.nodes().size();
  for (uint32_t i = 0; i < topology_.maxcpus; ++i) {
    item[1 + topology_.ApicIdOf(i)] = deps_.numa.NodeOf(i).value_or(0);
  }
  for (const Numa::Node& node : deps_.numa.nodes()) item.push_back(node.size);
  return item;
}

boot::Q35Acpi Q35::Acpi() {
  boot::Q35AcpiConfig acpi;
  for (uint32_t i = 0; i < cpu_hotplug_.size(); ++i) {
    const devices::AcpiCpuHotplug::Cpu cpu = cpu_hotplug_.cpu(i);
    acpi.cpus.push_back({cpu.apic_id, cpu.present, deps_.numa.NodeOf(i)});
  }
  acpi.ram_below_4g = shape_.ram.below_4g;
  acpi.hole64_base = boot::Q35Hole64Base(window_);
  acpi.hole64_size = boot::kQ35Hole64Size;
  for (const Numa::Node& node : deps_.numa.nodes()) acpi.numa_nodes.push_back(node.size);
  acpi.numa_distances = deps_.numa.Distances();
  acpi.device_memory = window_;
  acpi.serials = serials_.present();
  acpi.pic = shape_.pic;
  acpi.memory_slots = memory_slots_->slots();
  if (acpi_pci_) {
    acpi.pci_slots.emplace();
    for (pci::Function* const function : pci_.AllFunctions()) {
      const auto* const port = dynamic_cast<const pci::RootPort*>(function);
      if (port == nullptr || !port->acpi()) continue;
      boot::Q35PciSlot slot;
      slot.bus = *port->acpi();
      for (const pci::Function* at = port; at != nullptr; at = at->bus()->bridge()) {
        slot.ports.insert(slot.ports.begin(), at->devfn());
      }
      acpi.pci_slots->push_back(std::move(slot));
    }
  }
  return boot::BuildQ35Acpi(acpi);
}

void Q35::OnCpuCount(uint32_t present) {
  rtc_->SetRam(kCmosCpus, static_cast<uint8_t>(present - 1));
  fw_cfg_.AddInt(devices::FwCfg::kCpuCount, present, 2);
}

void Q35::OnRunning(bool running) {
  clock_.Run(running);
  if (kvm_) pm_.Run(running);
}

void Q35::ResetDevices() {
  lpc_->SetSerialPorts(serials_.present()[0], serials_.present()[1]);
  if (ioapic_ != nullptr) ioapic_->Reset();
  pci_.Reset();
  pm_.Reset();
  reset_control_.Reset();
  port92_.Reset();
  apm_.Reset();
  if (memory_slots_) memory_slots_->Reset();
  pci_hotplug_.Reset();
  elcr_.Reset();
  if (i8042_) i8042_->Reset();
  serials_.Reset();
  rtc_->Reset();
  fw_cfg_.Reset();
}

// What firmware would have done before it starts a kernel: the windows that the ACPI tables name.
// BARs and bridges are left to the kernel.
void Q35::ProgramChipset() {
  const auto write = [this](uint8_t devfn, uint32_t offset, uint32_t value) {
    std::array<uint8_t, 4> data;
    StoreLe(data.data(), 4, value);
    pci_.Write(0, devfn, offset, data);
  };
  constexpr uint32_t kEnable = 1;
  write(kMchAddress, pci::Mch::kPciexbar + 4, boot::kQ35EcamBase >> 32);
  write(kMchAddress, pci::Mch::kPciexbar, boot::kQ35EcamBase | kEnable);
  write(kLpcAddress, pci::Ich9Lpc::kPmbase, boot::kQ35PmBase | kEnable);
  write(kLpcAddress, pci::Ich9Lpc::kAcpiControl, pci::Ich9Lpc::kAcpiEnable);
  write(kLpcAddress, pci::Ich9Lpc::kRcba, boot::kQ35RcbaBase | kEnable);
}

Result<boot::LoadedKernel> Q35::LoadKernel(const std::optional<boot::Q35Acpi>& acpi) {
  boot::LoadRequest request;
  request.kernel = &*kernel_;
  request.initrd = initrd_ ? &*initrd_ : nullptr;
  request.cmdline = append_;
  request.reserved = {{boot::kQ35EcamBase, boot::kQ35EcamSize, boot::MemoryType::kReserved}};
  if (!dtb_.empty()) {
    request.make_fdt = [this](boot::GuestRange) -> Result<std::vector<std::byte>> { return dtb_; };
  }
  DAVIT_TRY(boot::CheckLowMemory(deps_.memory));
  uint64_t tables_end = boot::kAcpiTablesBase;
  if (acpi) {
    DAVIT_ASSIGN(const boot::AcpiImage image, boot::PlaceQ35Acpi(*acpi));
    DAVIT_TRY(boot::WriteAcpi(deps_.memory, image));
    request.rsdp = image.rsdp;
    tables_end += image.bytes.size();
  }
  DAVIT_ASSIGN(const boot::SmbiosImage smbios, boot::PlaceSmbios(smbios_, tables_end));
  DAVIT_TRY(deps_.memory.Write(memory::GuestAddress{smbios.base}, smbios.bytes));
  DAVIT_ASSIGN(boot::LoadedKernel loaded, boot::LoadKernel(deps_.memory, request));
  DAVIT_TRY(AddKernelToFwCfg(fw_cfg_, *kernel_, request.initrd, append_, loaded));
  return loaded;
}

Result<std::optional<boot::BootEntry>> Q35::Reset() {
  ResetDevices();
  std::optional<boot::Q35Acpi> acpi;
  if (shape_.acpi) {
    // What has been plugged since is part of the machine.
    acpi = Acpi();
    SetAcpiFiles(fw_cfg_, *acpi);
  }
  if (!kernel_) return std::nullopt;
  // A qtest client finds the registers as they are at reset.
  if (kvm_) ProgramChipset();
  DAVIT_ASSIGN(const boot::LoadedKernel loaded, LoadKernel(acpi));
  return loaded.entry;
}

}  // namespace

Result<std::unique_ptr<Board>> MakeQ35(const Q35Deps& deps, const MachineConfig& config,
                                       const MachineOptions& options,
                                       const cpu::Topology& topology) {
  auto board = std::make_unique<Q35>(deps, topology);
  DAVIT_TRY(board->Init(config, options));
  return board;
}

}  // namespace davit::machine
