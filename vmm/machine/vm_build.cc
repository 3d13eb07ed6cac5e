// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See vm_impl.h: from the configuration to a machine that can run.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "vmm/base/log.h"
#include "vmm/base/units.h"
#include "vmm/boot/microvm_layout.h"
#include "vmm/boot/q35_layout.h"
#include "vmm/machine/accel_choice.h"
#include "vmm/machine/accel_kvm.h"
#include "vmm/machine/globals.h"
#include "vmm/machine/microvm.h"
#include "vmm/machine/q35.h"
#include "vmm/machine/vm_impl.h"

namespace davit::machine {
namespace {

constexpr uint64_t kRamGranule = 8 * kKiB;  // -m is rounded up to it, as in QEMU
constexpr uint64_t kMaxRam = uint64_t{1} << 46;

Status LockMemory() {
  if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0) {
    return FailErrno("locking memory failed: mlockall");
  }
  return {};
}

tl::unexpected<Error> AtDevice(const DeviceConfig& device, Error error) {
  if (!device.where.empty()) error.message = device.where + ": " + error.message;
  return Fail(std::move(error));
}

}  // namespace

Status VmImpl::Init() {
  DAVIT_TRY(CheckConfig());
  DAVIT_TRY(OpenAccel());
  if (row_->has_cpus) {
    numa_.emplace(topology_);
    cpu_slots_.emplace(topology_, cpu::TypeNameOf(CpuModelText()), &*numa_);
  }
  DAVIT_TRY(CheckKernel());
  DAVIT_TRY(OpenQtest());
  DAVIT_TRY(AddObjects());
  DAVIT_TRY(AddNumaNodes());
  if (config_.overcommit.mem_lock) DAVIT_TRY(LockMemory());
  if (config_.preconfig) {
    preconfig_ = true;
    return {};
  }
  DAVIT_TRY(Build());
  RunSoon([this] { StartAtFirst(); });
  return {};
}

Status VmImpl::ExitPreconfig() {
  if (!preconfig_) return Fail("The command is permitted only before machine initialization");
  const std::optional<Numa> numa = numa_;
  if (auto built = Build(); !built) {
    Unbuild();
    numa_ = numa;
    return built;
  }
  preconfig_ = false;
  // Now, so that a stop of another client cannot come before it.
  StartAtFirst();
  return {};
}

Status VmImpl::SetNumaNode(const control::NumaOption& option) {
  if (!preconfig_) {
    return Fail("The command is permitted only before the machine has been created");
  }
  return AddNumaNode(option);
}

void VmImpl::Unbuild() {
  built_ = false;
  cpus_.reset();
  idle_cpus_.reset();
  if (cpu_slots_) cpu_slots_.emplace(topology_, cpu_slots_->type(), &*numa_);
  exits_.reset();
  devices_.reset();
  memory_devices_.reset();
  board_.reset();
  if (qtest_accel_ != nullptr) {
    memory_.Forget(*qtest_accel_);
  } else {
    accel_.reset();
  }
  if (kvm_memory_) memory_.Forget(*kvm_memory_);
  kvm_memory_.reset();
  vm_.reset();
  irqchip_reset_.reset();
  ram_watches_.clear();
  base_memory_ = 0;
  (void)memory_.Set({});  // nobody follows who could refuse
  for (const std::string& id : std::exchange(ram_ids_, {})) objects_->ReleaseMemory(id);
}

Status VmImpl::CheckConfig() {
  DAVIT_ASSIGN(row_, FindMachineType(config_.type));
  DAVIT_ASSIGN(options_, ParseMachineOptions(row_->type, config_));
  DAVIT_TRY(CheckAccelProperties(config_, options_));
  DAVIT_TRY(CheckBoot(config_));
  DAVIT_TRY(ApplyGlobals(config_));
  const SmpConfig& smp = config_.smp;
  cpu::SmpRequest request{smp.cpus,  smp.sockets, smp.dies,   smp.clusters,
                          smp.cores, smp.threads, smp.maxcpus};
  cpu::SmpLimits limits{row_->info.name, static_cast<uint32_t>(row_->info.cpu_max), row_->has_cpus};
  DAVIT_ASSIGN(topology_, cpu::Topology::Create(request, limits));
  if (row_->has_cpus) {
    DAVIT_TRY(cpu::CheckModelText(CpuModelText()));
  } else if (!config_.cpu.empty()) {
    return Fail(fmt::format("-cpu is not supported by machine '{}'", row_->info.name));
  }
  return CheckMemory();
}

Status VmImpl::CheckMemory() const {
  const MemoryConfig& memory = config_.memory;
  if (memory.slots != 0 && !memory.maxmem) return Fail("slots specified but no max-size");
  const uint64_t size = memory.size.value_or(row_->default_ram);
  if (memory.maxmem && *memory.maxmem < size) {
    return Fail(
        fmt::format("invalid value of maxmem: maximum memory size (0x{:x}) must be at least the "
                    "initial memory size (0x{:x})",
                    *memory.maxmem, size));
  }
  if (memory.maxmem && *memory.maxmem == size && memory.slots != 0) {
    return Fail(
        fmt::format("invalid value of maxmem: memory slots were specified but maximum memory size "
                    "(0x{:x}) is equal to the initial memory size (0x{:x})",
                    *memory.maxmem, size));
  }
  if (memory.maxmem && *memory.maxmem > kMaxRam) {
    return Fail(
        fmt::format("invalid value of maxmem: 0x{:x} is more than a machine can have "
                    "(0x{:x})",
                    *memory.maxmem, kMaxRam));
  }
  return {};
}

Status VmImpl::CheckKernel() const {
  const bool has_kernel = !std::holds_alternative<std::monostate>(config_.kernel);
  if (row_->type == MachineType::kNone && has_kernel) {
    return Fail(
        "The -kernel parameter is not supported (use the generic 'loader' device instead).");
  }
  if (row_->type == MachineType::kNone && !config_.debugcon.empty()) {
    return Fail("-debugcon: No 'ISA' bus found for device 'isa-debugcon'");
  }
  if (!has_kernel) {
    if (!config_.append.empty()) return Fail("-append only allowed with -kernel option");
    if (!std::holds_alternative<std::monostate>(config_.initrd)) {
      return Fail("-initrd only allowed with -kernel option");
    }
    if (!config_.dtb.empty()) return Fail("-dtb only allowed with -kernel option");
    if (row_->has_cpus && qtest_accel_ == nullptr) {
      return Fail(fmt::format("machine '{}' needs -kernel: it has no firmware", row_->info.name));
    }
  }
  if (row_->type != MachineType::kQ35 && !config_.fw_cfg.empty()) {
    return Fail(fmt::format("{}: fw_cfg device not available", config_.fw_cfg.front().where));
  }
  if (row_->type != MachineType::kQ35 && !config_.smbios.where.empty()) {
    return Fail(fmt::format("{}: machine '{}' has no SMBIOS tables", config_.smbios.where,
                            row_->info.name));
  }
  if (!row_->has_cpus && !config_.devices.empty()) {
    const DeviceConfig& device = config_.devices.front();
    return AtDevice(device, {ErrorCode::kGeneric,
                             fmt::format("No '{}' bus found for device '{}'",
                                         BusTypeOf(device.spec.driver), device.spec.driver),
                             {}});
  }
  return {};
}

Status VmImpl::OpenAccel() {
  DAVIT_ASSIGN(AccelChoice choice, ChooseAccel(config_, deps_.kvm, row_->has_cpus));
  if (choice.qtest) {
    auto accel = std::make_unique<QtestAccel>(deps_.loop);
    qtest_accel_ = accel.get();
    accel_ = std::move(accel);
    if (std::exchange(config_.kernel_is_default, false)) config_.kernel = std::monostate();
    if (config_.cpu == "host" || config_.cpu.starts_with("host,")) {
      return Fail("CPU model 'host' requires KVM or HVF");
    }
    return {};
  }
  own_system_ = std::move(choice.system);
  system_ = own_system_ ? own_system_.get() : deps_.kvm;
  return {};
}

Status VmImpl::OpenQtest() {
  if (!config_.qtest) return {};
  backend::Chardev* chardev =
      deps_.chardevs != nullptr ? deps_.chardevs->Find(config_.qtest->chardev) : nullptr;
  if (chardev == nullptr)
    return Fail(fmt::format("chardev '{}' not found", config_.qtest->chardev));
  qtest_target_.emplace(qtest_accel_, board_, memory_);
  DAVIT_ASSIGN(qtest_server_,
               qtest::Server::Create(*chardev, *qtest_target_, {.log = config_.qtest->log}));
  return {};
}

Status VmImpl::AddObjects() {
  objects_ = std::make_unique<ObjectTree>(
      ObjectTree::Defaults{options_.mem_merge, options_.dump_guest_core},
      ObjectTree::Host{&deps_.loop, deps_.chardevs, deps_.files, deps_.blocks});
  for (const control::ObjectSpec& spec : config_.objects) {
    if (objects_->Has(spec.id)) return Fail(fmt::format("Duplicate ID '{}' for object", spec.id));
    DAVIT_TRY(objects_->Add(spec, /*may_wait=*/true));
  }
  return deps_.open_disks ? deps_.open_disks() : Status();
}

Status VmImpl::Build() {
  DAVIT_TRY(BuildMemory());
  if (row_->has_cpus) {
    DAVIT_TRY(BuildAccel());
    DAVIT_TRY(BuildBoard());
    DAVIT_TRY(CheckAddressBits());
    DAVIT_TRY(BuildCpus());
    DAVIT_TRY(BuildDevices());
    DAVIT_TRY(ResetMachine());
  }
  built_ = true;
  if (!options_.dumpdtb.empty()) {
    if (board_ == nullptr || board_->device_tree().empty()) {
      return Fail("This machine doesn't have a FDT");
    }
    DAVIT_TRY(WriteDeviceTree(options_.dumpdtb));
    DAVIT_LOG_WARN("dtb dumped to {}. Exiting.", options_.dumpdtb);
    ended_ = true;
    deps_.loop.Post([exit = deps_.exit] {
      if (exit) exit(0);
    });
    return {};
  }
  return {};
}

Status VmImpl::AddNumaNodes() {
  for (const NumaConfig& numa : config_.numa) {
    if (Status added = AddNumaNode(numa.option); !added) {
      Error error = std::move(added).error();
      // A hint for who wrote the command line; a QMP error has none.
      if (error.message == Numa::kMemRefused) error.message += "\nUse -numa node,memdev instead";
      if (!numa.where.empty()) error.message = numa.where + ": " + error.message;
      return Fail(std::move(error));
    }
  }
  return {};
}

Status VmImpl::AddNumaNode(const control::NumaOption& option) {
  if (!numa_) return Fail("NUMA is not supported by this machine-type");
  return numa_->Add(option, [this](const std::string& memdev) {
    return objects_->FindMemory(memdev, "memdev").value_or(nullptr);
  });
}

Result<uint64_t> VmImpl::RamSize() const {
  const std::string& id = options_.memory_backend;
  if (id.empty()) {
    const uint64_t wanted = config_.memory.size.value_or(row_->default_ram);
    if (wanted > kMaxRam) {
      return Fail(fmt::format("cannot set up guest memory '{}': Cannot allocate memory",
                              row_->info.default_ram_id));
    }
    return AlignUp(wanted, kRamGranule);
  }
  const auto block = objects_->FindMemory(id, "memory-backend");
  if (!block) return Fail(fmt::format("Memory backend '{}' not found", id));
  const uint64_t size = (*block)->options().size;
  if (config_.memory.size && AlignUp(*config_.memory.size, kRamGranule) != size) {
    return Fail("Machine memory size does not match the size of the memory backend");
  }
  return size;
}

// The blocks that are the RAM, in this order: that of each NUMA node, or one.
Result<std::vector<std::shared_ptr<memory::RamBlock>>> VmImpl::UseRam(uint64_t size) {
  std::vector<std::shared_ptr<memory::RamBlock>> blocks;
  if (!options_.memory_backend.empty()) {
    DAVIT_ASSIGN(blocks.emplace_back(),
                 objects_->FindMemory(options_.memory_backend, "memory-backend"));
  }
  if (numa_ && numa_->has_memdevs()) {
    if (!blocks.empty()) {
      return Fail("'-machine memory-backend' and '-numa memdev' properties are mutually exclusive");
    }
    for (const Numa::Node& node : numa_->nodes()) {
      if (node.memory != nullptr) blocks.push_back(node.memory);
    }
  }
  for (const auto& block : blocks) {
    const std::string& id = block->id();
    // A node keeps its backend when that is deleted, and its id may then be that of another.
    if (objects_->FindMemory(id, "memdev").value_or(nullptr) == block) {
      DAVIT_TRY(objects_->UseMemory(id));
      ram_ids_.push_back(id);
    }
    if (block->readonly()) {
      return Fail(
          fmt::format("memory backend '{}' is read-only and cannot be the machine's RAM", id));
    }
    if (block->options().size % kPageSize != 0) {
      return Fail(
          fmt::format("size of memory backend '{}' is not a multiple of the page size", id));
    }
  }
  if (blocks.empty() && size != 0) {
    const std::string& id = row_->info.default_ram_id;
    DAVIT_ASSIGN(auto block, objects_->AddMachineRam(id, size));
    ram_ids_.push_back(id);
    blocks.push_back(std::move(block));
  }
  return blocks;
}

namespace {

// Where RAM in these blocks, one behind the other, lies.
std::vector<memory::Region> Regions(const std::vector<std::shared_ptr<memory::RamBlock>>& blocks,
                                    uint64_t below_4g) {
  std::vector<memory::Region> regions;
  uint64_t at = 0;
  for (const std::shared_ptr<memory::RamBlock>& block : blocks) {
    const uint64_t size = block->options().size;
    const uint64_t low = at < below_4g ? std::min(size, below_4g - at) : 0;
    if (low != 0) regions.push_back({{at}, low, block, 0});
    if (low < size) {
      regions.push_back({{boot::kRamAbove4GBase + (at + low - below_4g)}, size - low, block, low});
    }
    at += size;
  }
  return regions;
}

}  // namespace

Status VmImpl::BuildMemory() {
  DAVIT_ASSIGN(const uint64_t size, RamSize());
  if (numa_) {
    // As QEMU's machine: where memory can be plugged, it needs a node.
    const bool more = config_.memory.maxmem.value_or(0) > size;
    DAVIT_TRY(numa_->Complete(size, row_->type == MachineType::kQ35 && more));
  }
  DAVIT_ASSIGN(const auto blocks, UseRam(size));
  const boot::RamSplit split = boot::SplitRam(size, row_->max_ram_below_4g(size));
  DAVIT_ASSIGN(memory::GuestMemory table,
               memory::GuestMemory::Create(Regions(blocks, split.below_4g)));
  DAVIT_TRY(memory_.Set(std::move(table)));
  base_memory_ = size;
  for (const auto& block : blocks) {
    DAVIT_ASSIGN(std::shared_ptr<void> watch, WatchMissingPages(*block));
    ram_watches_.push_back(std::move(watch));
  }
  return {};
}

// A page that is gone must not end the process: the VM stands still until it is reset.
Result<std::shared_ptr<void>> VmImpl::WatchMissingPages(memory::RamBlock& block) {
  if (block.page_size() <= kPageSize) return nullptr;
  DAVIT_ASSIGN(memory::MissingPages* const pages, block.WatchMissingPages());
  const auto missed = [this, pages, id = block.id(), page_size = block.page_size()] {
    if (!pages->Take()) return;
    DAVIT_LOG_ERROR("memory backend '{}': no huge page is left for the guest ({})", id,
                    memory::HugePagePool(page_size));
    StopVm(control::RunState::kInternalError);
  };
  DAVIT_ASSIGN(std::shared_ptr<io::Registration> watch,
               deps_.loop.WatchReadable(pages->event_fd(), missed));
  return watch;
}

Status VmImpl::BuildAccel() {
  if (qtest_accel_ == nullptr) return BuildKvm();
  return memory_.Follow(*qtest_accel_);
}

Status VmImpl::BuildKvm() {
  DAVIT_ASSIGN(vm_, system_->CreateVm());
  DAVIT_TRY(vm_->SetIdentityMapAddress(boot::kKvmIdentityMapBase));
  DAVIT_TRY(vm_->SetTssAddress(boot::kKvmTssBase));
  if (vm_->Capability(kvm::Cap::kX2apicApi) != 0) DAVIT_TRY(vm_->EnableX2apicIds());
  if (config_.overcommit.cpu_pm) DAVIT_TRY(vm_->DisableExits());
  // Before the irqchip: its routing starts an SRCU grace period that a new slot would wait for.
  kvm_memory_.emplace(*vm_, [this](const std::function<void()>& fn) {
    if (cpus_ == nullptr) return fn();
    cpus_->WhileHeld(fn);
  });
  DAVIT_TRY(memory_.Follow(*kvm_memory_));
  bool pit = false;
  if (options_.irqchip == IrqchipMode::kOn) {
    DAVIT_TRY(vm_->CreateIrqchip());
    pit = options_.pit != OnOffAuto::kOff;
    if (pit) DAVIT_TRY(vm_->CreatePit(true));
    DAVIT_ASSIGN(irqchip_reset_, vm_->SaveIrqchip(pit));
  } else {
    if (vm_->Capability(kvm::Cap::kSplitIrqchip) == 0) {
      return Fail("kernel-irqchip=split is not supported by this host's KVM");
    }
    DAVIT_TRY(vm_->EnableSplitIrqchip(boot::kIoapicPins));
  }
  accel_ =
      std::make_unique<KvmAccel>(*vm_, deps_.loop,
                                 options_.irqchip == IrqchipMode::kOn ? KvmAccel::Irqchip::kInKernel
                                                                      : KvmAccel::Irqchip::kSplit);
  return {};
}

Status VmImpl::BuildBoard() {
  if (row_->type == MachineType::kQ35) {
    Q35Deps deps{*accel_, memory_.Get(), memory_, *numa_, deps_.chardevs, *requests_};
    deps.memory_report = [this](const auto& report) { DimmReported(report); };
    deps.cpu_ejected = [this](uint32_t index) {
      RunSoon([this, index] {
        if (!ended_) CpuEjected(index);
      });
    };
    deps.cpu_reported = [this](uint32_t index, const devices::AcpiCpuHotplug::Cpu& cpu) {
      PostReport([this, index, cpu] { return ReportOn(index, cpu); });
    };
    deps.cpu_refused = [this](uint32_t index) {
      RunSoon([this, index] {
        if (!ended_) CpuRefused(index);
      });
    };
    DAVIT_ASSIGN(board_, MakeQ35(deps, config_, options_, topology_));
  } else {
    const MicrovmDeps deps{*accel_, memory_.Get(), deps_.chardevs, *requests_};
    DAVIT_ASSIGN(board_, MakeMicrovm(deps, config_, options_, topology_));
  }
  if (const auto window = board_->memory_window()) memory_devices_.emplace(memory_, *window);
  if (qtest_accel_ == nullptr) {
    exits_ = std::make_unique<ExitDispatcher>(*board_, memory_, *requests_);
  }
  return {};
}

Status VmImpl::BuildDevices() {
  DeviceContext context{*accel_,        accel_->device_loop(),
                        memory_,        *objects_,
                        deps_.chardevs, [this](const control::Event& event) { Emit(event); }};
  context.guest_panicked = [this] { requests_->Panicked(); };
  context.guest_crash_loaded = [this] { requests_->CrashLoaded(); };
  context.watchdog_expired = [this] { requests_->WatchdogExpired(); };
  context.unplug_refused = [this](const control::DeviceUnplugGuestErrorEvent& refused) {
    RunSoon([this, refused] {
      if (!ended_) Emit(refused);
    });
  };
  context.fw_cfg = board_->fw_cfg();
  context.blocks = deps_.blocks;
  context.cpus = topology_.cpus;
  context.numa_nodes = std::max<uint32_t>(1, static_cast<uint32_t>(numa_->nodes().size()));
  context.netdevs = deps_.netdevs;
  context.memory_devices = memory_devices_ ? &*memory_devices_ : nullptr;
  context.memory_slots = board_->memory_slots();
  context.watch_memory = [this](memory::RamBlock& block) { return WatchMissingPages(block); };
  context.cpu_host = this;
  context.serial_ports = board_->serial_ports();
  devices_ = std::make_unique<Devices>(std::move(context), board_->device_buses());
  DAVIT_TRY(devices_->Init());
  for (const DeviceConfig& device : config_.devices) {
    if (Status added = devices_->Add(device.spec); !added) {
      return AtDevice(device, std::move(added).error());
    }
  }
  board_->set_virtio_slots(devices_->used_slots());
  devices_->OnRunning(false);
  return {};
}

// That the guest's CPUs can reach what is promised above RAM: the place of plugged memory and,
// behind it, of PCI.
Status VmImpl::CheckAddressBits() const {
  constexpr uint32_t kAddressSizes = 0x80000008;
  const auto window = board_->memory_window();
  if (!window || window->size == 0 || qtest_accel_ != nullptr) return {};
  const uint64_t last = AlignUp(window->base + window->size, kGiB) + boot::kQ35Hole64Size - 1;
  DAVIT_ASSIGN(const std::vector<kvm::CpuidEntry> supported, system_->SupportedCpuid());
  for (const kvm::CpuidEntry& entry : supported) {
    const uint32_t bits = entry.eax & 0xff;
    if (entry.function != kAddressSizes || bits == 0 || bits >= 64) continue;
    const uint64_t limit = (uint64_t{1} << bits) - 1;
    if (last <= limit) return {};
    return Fail(fmt::format("Address space limit 0x{:x} < 0x{:x} phys-bits too low ({})", limit,
                            last, bits));
  }
  return {};
}

// The vCPUs are parked.
Status VmImpl::ResetMachine() {
  irqchip_held_.reset();
  std::optional<boot::BootEntry> entry;
  if (irqchip_reset_) DAVIT_TRY(vm_->RestoreIrqchip(*irqchip_reset_));
  if (devices_ != nullptr) devices_->Reset();
  if (board_ != nullptr) {
    DAVIT_ASSIGN(entry, board_->Reset());
  }
  if (cpus_ != nullptr) DAVIT_TRY(cpus_->Reset(entry));
  return {};
}

Status VmImpl::WriteDeviceTree(const std::string& path) const {
  // O_NONBLOCK: the control thread waits for no reader of a FIFO.
  UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK, 0666));
  const auto failed = [&path](int err) {
    return Fail(fmt::format("Error saving FDT to file {}: {}", path, std::strerror(err)));
  };
  if (!fd) return failed(errno);
  const std::vector<std::byte>& tree = board_->device_tree();
  size_t done = 0;
  while (done < tree.size()) {
    const ssize_t n = write(fd.get(), tree.data() + done, tree.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return failed(n < 0 ? errno : EIO);
    done += static_cast<size_t>(n);
  }
  return {};
}

Result<std::unique_ptr<control::VmControl>> Vm::Create(MachineConfig config, Deps deps) {
  auto vm = std::make_unique<VmImpl>(std::move(config), std::move(deps));
  DAVIT_TRY(vm->Init());
  return vm;
}

}  // namespace davit::machine
