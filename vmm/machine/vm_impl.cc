// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See vm_impl.h: run states, requests, events and queries.
#include "vmm/machine/vm_impl.h"

#include <chrono>
#include <utility>

#include "vmm/backend/block/graph.h"
#include "vmm/base/log.h"
#include "vmm/machine/block/tray_watch.h"

namespace davit::machine {

using control::RunState;
using control::ShutdownCause;

VmImpl::VmImpl(MachineConfig config, Deps deps)
    : config_(std::move(config)), deps_(std::move(deps)) {
  requests_ = std::make_unique<Requests>(deps_.loop, [this] { ServeRequests(); });
  if (deps_.blocks != nullptr) WatchDisks();
}

VmImpl::~VmImpl() {
  if (deps_.blocks != nullptr) {
    deps_.blocks->SetErrorSink(nullptr);
    deps_.blocks->SetTraySink(nullptr);
  }
  // Joins the vCPU threads before the devices that they call go; nothing is posted after that.
  if (qtest_accel_ != nullptr) qtest_accel_->WatchLines({});
  qtest_server_.reset();
  cpus_.reset();
  idle_cpus_.reset();
  requests_.reset();
  devices_.reset();  // which ask for their CPUs
}

void VmImpl::Emit(const control::Event& event) {
  deps_.events.Emit(event, std::chrono::system_clock::now());
}

// --- the life of the guest --------------------------------------------------------

void VmImpl::StartAtFirst() {
  if (!config_.start_paused && !ended_ && state_.state() == RunState::kPrelaunch) StartVm();
}

void VmImpl::StartVm() {
  state_.Set(RunState::kRunning);
  if (irqchip_held_) {
    if (auto set = vm_->RestoreIrqchip(*irqchip_held_); !set) {
      DAVIT_LOG_WARN("{}", set.error().message);
    }
    irqchip_held_.reset();
  }
  if (board_ != nullptr) board_->OnRunning(true);
  if (accel_ != nullptr) accel_->OnRunning(true);
  if (devices_ != nullptr) devices_->OnRunning(true);
  if (cpus_ != nullptr) cpus_->ReleaseClocks();
  Emit(control::ResumeEvent{});
  if (cpus_ != nullptr) cpus_->Resume();
}

void VmImpl::StopVm(RunState state) {
  if (!state_.running() || ended_) return;
  state_.Set(state);
  if (cpus_ != nullptr) {
    cpus_->Pause();
    cpus_->HoldClocks();
  }
  if (accel_ != nullptr) accel_->OnRunning(false);
  if (devices_ != nullptr) devices_->OnRunning(false);
  if (board_ != nullptr) board_->OnRunning(false);
  if (irqchip_reset_ && !irqchip_reset_->pit.empty()) {
    // The PIT alone: an interrupt that a device raises meanwhile must not be lost.
    if (auto held = vm_->SaveIrqchip(true)) {
      irqchip_held_ = kvm::IrqchipState{{}, std::move(held->pit)};
    }
  }
  Emit(control::StopEvent{});
}

Status VmImpl::Stop() {
  StopVm(RunState::kPaused);
  return {};
}

Status VmImpl::Cont() {
  if (preconfig_) return Fail("The machine is not initialized yet: exit preconfig first");
  if (state_.needs_reset() || half_reset_) return Fail("Resetting the Virtual Machine is required");
  if (state_.state() == RunState::kSuspended || state_.running() || ended_) return {};
  if (deps_.blocks != nullptr) deps_.blocks->ResetIoStatus();
  StartVm();
  return {};
}

Status VmImpl::SystemReset() {
  requests_->Reset(ShutdownCause::kHostQmpSystemReset);
  return {};
}

Status VmImpl::SystemPowerdown() {
  requests_->Powerdown();
  return {};
}

Status VmImpl::SystemWakeup() {
  if (!wakeup_suspend_support()) {
    return Fail("wake-up from suspend is not supported by this guest");
  }
  if (state_.state() != RunState::kSuspended) {
    return Fail("Unable to wake up: guest is not in suspended state");
  }
  return Fail("wake-up from suspend is not supported by this guest");
}

void VmImpl::Quit(ShutdownCause cause) { requests_->Quit(cause); }

Status VmImpl::InjectNmi() {
  if (idle_cpus_ != nullptr) return {};
  if (cpus_ == nullptr || cpus_->size() == 0) {
    return Fail("this feature or command is not currently supported");
  }
  return cpus_->InjectNmi();
}

void VmImpl::SetActions(const control::ActionChange& change) {
  control::ActionPolicy& actions = config_.actions;
  actions.reboot = change.reboot.value_or(actions.reboot);
  actions.shutdown = change.shutdown.value_or(actions.shutdown);
  actions.panic = change.panic.value_or(actions.panic);
  actions.watchdog = change.watchdog.value_or(actions.watchdog);
}

void VmImpl::ServeRequests() {
  Requests::Pending pending = requests_->Take();
  if (ended_) return;
  if (pending.crash_loaded) Emit(control::GuestCrashLoadedEvent{});
  if (pending.panicked) GuestPanicked(pending);
  if (pending.watchdog) WatchdogExpired(pending);
  if (ended_) return;
  // -no-reboot: the cause of the reset is that of the shutdown.
  if (pending.reset != ShutdownCause::kNone && pending.reset != ShutdownCause::kSubsystemReset &&
      config_.actions.reboot == control::RebootAction::kShutdown) {
    pending.shutdown = pending.shutdown.value_or(pending.reset);
    pending.reset = ShutdownCause::kNone;
  }
  if (pending.shutdown) {
    Emit(control::ShutdownEvent{*pending.shutdown});
    if (pending.quit || config_.actions.shutdown == control::ShutdownAction::kPoweroff) {
      EndProcess(*pending.shutdown == ShutdownCause::kGuestPanic &&
                 config_.actions.panic == control::PanicAction::kExitFailure);
      return;
    }
    StopVm(RunState::kShutdown);
  }
  if (pending.reset != ShutdownCause::kNone) DoReset(pending.reset);
  if (pending.powerdown) {
    Emit(control::PowerdownEvent{});
    if (board_ != nullptr) board_->Powerdown();
  }
  if (pending.stop) StopVm(*pending.stop);
}

void VmImpl::DoReset(ShutdownCause cause) {
  if (cpus_ != nullptr) cpus_->Pause();
  auto reset = ResetMachine();
  half_reset_ = !reset;
  if (cause != ShutdownCause::kSubsystemReset) Emit(control::ResetEvent{cause});
  if (!reset) {
    DAVIT_LOG_ERROR("reset failed: {}", reset.error().message);
    StopVm(RunState::kInternalError);
    return;
  }
  if (state_.running()) {
    if (cpus_ != nullptr) cpus_->Resume();
  } else {
    state_.Set(RunState::kPrelaunch);
  }
}

void VmImpl::RunSoon(std::function<void()> fn) {
  deps_.loop.Post([alive = std::weak_ptr(alive_), fn = std::move(fn)] {
    if (!alive.expired()) fn();
  });
}

// A disk's request that failed: told, and where the disk's policy says so the VM stands still. A
// tray that moved: told as tray_watch.h says.
void VmImpl::WatchDisks() {
  const auto trays = std::make_shared<TrayWatch>(
      deps_.loop,
      [blocks = deps_.blocks](const std::string& qdev) -> std::optional<bool> {
        for (const backend::BlockBackend* disk : blocks->Disks()) {
          if (disk->qdev() == qdev && disk->tray() != nullptr) return disk->tray()->tray_open();
        }
        return std::nullopt;
      },
      [this](const backend::TrayMoved& moved) {
        if (ended_) return;
        Emit(control::DeviceTrayMovedEvent{moved.device, moved.qdev, moved.open});
      });
  deps_.blocks->SetTraySink([trays](const backend::TrayMoved& moved) { trays->Moved(moved); });
  deps_.blocks->SetErrorSink([this, &loop = deps_.loop, alive = std::weak_ptr<bool>(alive_)](
                                 const backend::BlockIoError& error) {
    loop.Post([this, alive, error] {
      if (alive.expired() || ended_) return;
      control::BlockIoErrorEvent event{.device = error.device,
                                       .node_name = error.node_name,
                                       .read = error.read,
                                       .reason = error.reason};
      using Action = control::BlockIoErrorEvent::Action;
      const bool stop = error.action == backend::ErrorAction::kStop;
      event.action = stop                                            ? Action::kStop
                     : error.action == backend::ErrorAction::kIgnore ? Action::kIgnore
                                                                     : Action::kReport;
      if (error.nospace_known) event.nospace = error.nospace;
      Emit(event);
      if (stop) StopVm(RunState::kIoError);
    });
  });
}

// Adds the shutdown that the panic action asks for.
void VmImpl::GuestPanicked(Requests::Pending& pending) {
  using control::PanicAction;
  using Action = control::GuestPanickedEvent::Action;
  const control::ActionPolicy& actions = config_.actions;
  if (actions.panic == PanicAction::kNone) {
    Emit(control::GuestPanickedEvent{Action::kRun});
    if (state_.running() && cpus_ != nullptr) cpus_->Resume();  // it parked itself
    return;
  }
  const bool pause =
      actions.panic == PanicAction::kPause || (actions.panic == PanicAction::kShutdown &&
                                               actions.shutdown == control::ShutdownAction::kPause);
  Emit(control::GuestPanickedEvent{pause ? Action::kPause : Action::kPoweroff});
  StopVm(RunState::kGuestPanicked);
  if (!pause) pending.shutdown = pending.shutdown.value_or(ShutdownCause::kGuestPanic);
}

// Adds what the watchdog action asks for.
void VmImpl::WatchdogExpired(Requests::Pending& pending) {
  using control::WatchdogAction;
  const WatchdogAction action = config_.actions.watchdog;
  Emit(control::WatchdogEvent{action});
  switch (action) {
    case WatchdogAction::kReset:
      if (pending.reset == ShutdownCause::kNone) pending.reset = ShutdownCause::kGuestReset;
      return;
    case WatchdogAction::kShutdown:
      pending.powerdown = true;
      return;
    case WatchdogAction::kPoweroff:
      EndProcess(0);  // as QEMU: no SHUTDOWN, whatever the shutdown action says
      return;
    case WatchdogAction::kPause:
      pending.stop = pending.stop.value_or(RunState::kWatchdog);
      return;
    case WatchdogAction::kDebug:
      DAVIT_LOG_WARN("watchdog: timer fired");
      return;
    case WatchdogAction::kNone:
      return;
    case WatchdogAction::kInjectNmi:
      if (auto injected = InjectNmi(); !injected) DAVIT_LOG_WARN("{}", injected.error().message);
      return;
  }
}

void VmImpl::EndProcess(int exit_code) {
  if (std::exchange(ended_, true)) return;
  if (cpus_ != nullptr) cpus_->Pause();
  if (deps_.exit) deps_.exit(exit_code);
}

// --- queries --------------------------------------------------------------------------

std::string VmImpl::uuid() const {
  return config_.uuid.empty() ? "00000000-0000-0000-0000-000000000000" : config_.uuid;
}

bool VmImpl::wakeup_suspend_support() const {
  return board_ != nullptr && board_->wakeup_suspend_support();
}

std::vector<control::CpuDefinition> VmImpl::CpuDefinitions() const { return KnownCpuDefinitions(); }

std::vector<control::MachineTypeInfo> VmImpl::MachineTypes() const { return KnownMachineTypes(); }

control::QtreeNode::Bus VmImpl::Qtree() const {
  control::QtreeNode::Bus bus;
  if (board_ != nullptr) {
    bus = board_->Qtree();
    if (devices_ != nullptr) devices_->Describe(bus);
    return bus;
  }
  bus.name = "main-system-bus";
  bus.type = "System";
  return bus;
}

Status VmImpl::DumpDtb(const std::string& path) {
  if (board_ == nullptr || board_->device_tree().empty()) {
    return Fail("This machine doesn't have a FDT");
  }
  return WriteDeviceTree(path);
}

}  // namespace davit::machine
