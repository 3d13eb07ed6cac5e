// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The VM over the fake KVM: run states, order and causes of events, errors of the configuration.
#include "vmm/machine/vm.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "tests/guest/probe/image.h"
#include "vmm/base/log.h"
#include "vmm/io/testing/fake_event_loop.h"
#include "vmm/kvm/fake.h"
#include "vmm/machine/vm_fixture.h"

namespace davit::machine {
namespace {

using control::RunState;
using control::ShutdownCause;
using Events = std::vector<std::string>;

class VmTest : public testing::Test {
 protected:
  VmTest() {
    config_.kernel = ProbeGuestImage();
    config_.memory.size = uint64_t{64} << 20;
  }

  Result<std::unique_ptr<control::VmControl>> TryCreate() {
    return Vm::Create(config_,
                      Deps{loop_, sink_, nullptr, [this](int code) { exit_ = code; }, &kvm_});
  }
  void Create() {
    auto vm = TryCreate();
    ASSERT_TRUE(vm) << vm.error();
    vm_ = std::move(*vm);
    loop_.RunPosted();
  }
  std::string CreateError() {
    auto vm = TryCreate();
    return vm ? "no error" : vm.error().message;
  }
  kvm::FakeVcpu& Cpu(size_t i = 0) { return *kvm_.vm->vcpus[i]; }
  // The exit is handled on the vCPU thread; what it asks for arrives as posted work.
  void WaitForRequest() {
    while (!loop_.RunPosted()) std::this_thread::yield();
  }

  io::FakeEventLoop loop_;
  kvm::FakeSystem kvm_;
  RecordingSink sink_;
  MachineConfig config_;
  std::optional<int> exit_;
  std::unique_ptr<control::VmControl> vm_;
};

TEST_F(VmTest, StartsFromTheLoopAndTellsSo) {
  auto vm = TryCreate();
  ASSERT_TRUE(vm);
  EXPECT_EQ((*vm)->run_state(), RunState::kPrelaunch);
  EXPECT_TRUE(sink_.events.empty());
  loop_.RunPosted();
  EXPECT_EQ((*vm)->run_state(), RunState::kRunning);
  EXPECT_EQ(sink_.Take(), Events{"RESUME"});
}

TEST_F(VmTest, StartPausedWaitsForCont) {
  config_.start_paused = true;
  Create();
  EXPECT_EQ(vm_->run_state(), RunState::kPrelaunch);
  EXPECT_EQ(Cpu().runs(), 0);
  ASSERT_TRUE(vm_->Cont());
  EXPECT_EQ(vm_->run_state(), RunState::kRunning);
}

TEST_F(VmTest, StopEventPrecedesStopsReturnAndSecondStopIsSilent) {
  Create();
  sink_.Take();
  ASSERT_TRUE(vm_->Stop());
  EXPECT_EQ(sink_.Take(), Events{"STOP"});
  EXPECT_EQ(vm_->run_state(), RunState::kPaused);
  ASSERT_TRUE(vm_->Stop());
  EXPECT_TRUE(sink_.Take().empty());
  ASSERT_TRUE(vm_->Cont());
  ASSERT_TRUE(vm_->Cont());
  EXPECT_EQ(sink_.Take(), Events{"RESUME"});
}

TEST_F(VmTest, ClockIsSetBackAfterAPause) {
  Create();
  Cpu().WaitIdle();
  kvm_.vm->clock = 5000;
  ASSERT_TRUE(vm_->Stop());
  Cpu().msrs[0x10] = 77;
  kvm_.vm->clock = 9000;
  ASSERT_TRUE(vm_->Cont());
  EXPECT_EQ(kvm_.vm->clock_sets, std::vector<uint64_t>{5000});
  vm_->Stop();
  EXPECT_EQ(Cpu().clock_notices, 1);
  EXPECT_EQ(Cpu().msrs[0x10], 0U);
}

TEST_F(VmTest, ResetTellsItsCauseAfterTheRequestReturned) {
  Create();
  sink_.Take();
  ASSERT_TRUE(vm_->SystemReset());
  EXPECT_TRUE(sink_.events.empty());
  loop_.RunPosted();
  EXPECT_EQ(sink_.Take(), Events{"RESET host-qmp-system-reset"});
  EXPECT_EQ(vm_->run_state(), RunState::kRunning);
}

TEST_F(VmTest, ResetOfAPausedMachineLeavesItPrelaunch) {
  Create();
  vm_->Stop();
  sink_.Take();
  const int restores = Cpu().restores;
  vm_->SystemReset();
  loop_.RunPosted();
  EXPECT_EQ(Cpu().restores, restores + 1);
  EXPECT_EQ(vm_->run_state(), RunState::kPrelaunch);
  ASSERT_TRUE(vm_->Cont());
  EXPECT_EQ(vm_->run_state(), RunState::kRunning);
}

TEST_F(VmTest, AfterAFailedResetAPausedGuestNeedsAnother) {
  Create();
  ASSERT_TRUE(vm_->Stop());
  kvm_.vm->fail_call = "RestoreIrqchip";
  ASSERT_TRUE(vm_->SystemReset());
  loop_.RunPosted();
  kvm_.vm->fail_call = "";
  EXPECT_EQ(vm_->Cont().error().message, "Resetting the Virtual Machine is required");
  ASSERT_TRUE(vm_->SystemReset());
  loop_.RunPosted();
  EXPECT_TRUE(vm_->Cont());
  EXPECT_EQ(vm_->run_state(), RunState::kRunning);
}

TEST_F(VmTest, NothingHappensToTheGuestAfterTheEnd) {
  Create();
  vm_->Quit(ShutdownCause::kHostQmpQuit);
  loop_.RunPosted();
  sink_.Take();
  EXPECT_TRUE(vm_->Stop());
  EXPECT_TRUE(vm_->Cont());
  EXPECT_TRUE(vm_->SystemReset());
  loop_.RunPosted();
  EXPECT_EQ(sink_.Take(), Events{});
}

TEST_F(VmTest, TripleFaultResetsTheGuest) {
  Create();
  sink_.Take();
  Cpu().Push(kvm::ShutdownExit{});
  WaitForRequest();
  EXPECT_EQ(sink_.Take(), Events{"RESET guest-reset"});
  EXPECT_EQ(vm_->run_state(), RunState::kRunning);
  Cpu().WaitIdle();
}

// A guest that ends so has nothing else to tell what became of it; one that does it for ever does
// not fill the log.
TEST_F(VmTest, TripleFaultsAreLoggedTenTimes) {
  Create();
  const std::string path = testing::TempDir() + "/triple_faults.log";
  ASSERT_TRUE(ConfigureLog({.file = path}));
  for (int i = 0; i < 12; ++i) {
    Cpu().registers.rip = 0xfff0;
    Cpu().Push(kvm::ShutdownExit{});
    WaitForRequest();
  }
  ASSERT_TRUE(ConfigureLog({}));
  std::ifstream log(path);
  std::string line;
  int lines = 0;
  while (std::getline(log, line)) {
    if (line.find("CPU 0: triple fault at RIP=000000000000fff0, the guest is reset") !=
        std::string::npos) {
      ++lines;
    }
  }
  EXPECT_EQ(lines, 10);
}

TEST_F(VmTest, RegistersThatOnlyChooseAreCollected) {
  config_.machine_properties = {{"rtc", "on"}};
  Create();
  const kvm::WriteZone rtc_index{true, 0x70, 1}, post_codes{true, 0x80, 1};
  const kvm::WriteZone ioapic_index{false, 0xfec00000, 4};
  const auto has = [&](const kvm::WriteZone& zone) {
    return std::find(kvm_.vm->zones.begin(), kvm_.vm->zones.end(), zone) != kvm_.vm->zones.end();
  };
  EXPECT_TRUE(has(rtc_index));
  EXPECT_TRUE(has(post_codes));
  EXPECT_FALSE(has(ioapic_index)) << "KVM's own is not reached";
}

TEST_F(VmTest, WithoutARingEveryWriteExits) {
  kvm_.fail_vm_call = "CollectWrites";
  Create();
  EXPECT_TRUE(kvm_.vm->zones.empty());
  EXPECT_EQ(vm_->run_state(), RunState::kRunning);
}

TEST_F(VmTest, CollectedWriteComesBeforeTheAccessThatTraps) {
  config_.machine_properties = {{"rtc", "on"}};
  Create();
  Cpu().WaitIdle();
  Cpu().PushCollected({true, 0x70, 1}, 0x0b);
  Cpu().PushCollected({true, 0x70, 1}, 0x0d);  // register D: valid RAM and time
  const uint8_t* const read = Cpu().PushPort(0x71, false, 0);
  Cpu().WaitIdle();
  EXPECT_EQ(*read, 0x80);
}

TEST_F(VmTest, CollectedWriteIsDoneBeforeTheGuestStands) {
  Create();
  Cpu().WaitIdle();
  Cpu().PushCollected({true, 0x70, 1}, 0x0d);
  ASSERT_TRUE(vm_->Stop());
  EXPECT_FALSE(Cpu().HasWrites());
}

TEST_F(VmTest, KeyboardControllerResetsTheGuest) {
  Create();
  sink_.Take();
  Cpu().PushPort(0x64, true, 0xfe);
  WaitForRequest();
  EXPECT_EQ(sink_.Take(), Events{"RESET guest-reset"});
}

TEST_F(VmTest, AcpiResetRegisterResetsTheGuest) {
  Create();
  sink_.Take();
  Cpu().PushMmio(0xfea00202, true, {0x42});
  WaitForRequest();
  EXPECT_EQ(sink_.Take(), Events{"RESET guest-reset"});
}

TEST_F(VmTest, AcpiSleepRegisterEndsTheProcess) {
  Create();
  sink_.Take();
  Cpu().PushMmio(0xfea00200, true, {5 << 2 | 1 << 5});
  WaitForRequest();
  EXPECT_EQ(sink_.Take(), Events{"SHUTDOWN guest-shutdown"});
  EXPECT_EQ(exit_, 0);
}

TEST_F(VmTest, NoShutdownStopsInsteadAndNeedsAReset) {
  Create();
  control::ActionChange change;
  change.shutdown = control::ShutdownAction::kPause;
  vm_->SetActions(change);
  sink_.Take();
  Cpu().PushMmio(0xfea00200, true, {5 << 2 | 1 << 5});
  WaitForRequest();
  EXPECT_EQ(sink_.Take(), (Events{"SHUTDOWN guest-shutdown", "STOP"}));
  EXPECT_FALSE(exit_);
  EXPECT_EQ(vm_->run_state(), RunState::kShutdown);
  EXPECT_EQ(vm_->Cont().error().message, "Resetting the Virtual Machine is required");
  vm_->SystemReset();
  loop_.RunPosted();
  EXPECT_TRUE(vm_->Cont());
}

TEST_F(VmTest, NoRebootMakesTheResetsCauseTheShutdowns) {
  config_.actions.reboot = control::RebootAction::kShutdown;
  Create();
  sink_.Take();
  vm_->SystemReset();
  loop_.RunPosted();
  EXPECT_EQ(sink_.Take(), Events{"SHUTDOWN host-qmp-system-reset"});
  EXPECT_EQ(exit_, 0);
}

TEST_F(VmTest, QuitIgnoresTheShutdownAction) {
  config_.actions.shutdown = control::ShutdownAction::kPause;
  Create();
  sink_.Take();
  vm_->Quit(ShutdownCause::kHostSignal);
  EXPECT_TRUE(sink_.events.empty());
  loop_.RunPosted();
  EXPECT_EQ(sink_.Take(), Events{"SHUTDOWN host-signal"});
  EXPECT_EQ(exit_, 0);
}

TEST_F(VmTest, EmulationFailureIsAnInternalErrorThatNeedsAReset) {
  Create();
  sink_.Take();
  kvm::InternalErrorExit error;
  error.suberror = 1;
  error.rip = 0x1234;
  error.bytes = {0x0f, 0xae};
  error.description = "KVM internal error. Suberror: 1: emulation failure";
  Cpu().Push(error);
  WaitForRequest();
  EXPECT_EQ(sink_.Take(), Events{"STOP"});
  EXPECT_EQ(vm_->run_state(), RunState::kInternalError);
  EXPECT_FALSE(vm_->Cont());
}

TEST_F(VmTest, PanicDoesWhatTheActionsSay) {
  using control::PanicAction;
  using control::ShutdownAction;
  struct Case {
    PanicAction panic;
    ShutdownAction shutdown;
    Events events;
    RunState state;
    std::optional<int> exit;
  };
  const std::string end = "SHUTDOWN guest-panic";
  const Case cases[] = {
      {PanicAction::kNone,
       ShutdownAction::kPoweroff,
       {"GUEST_PANICKED run"},
       RunState::kRunning,
       {}},
      {PanicAction::kPause,
       ShutdownAction::kPoweroff,
       {"GUEST_PANICKED pause", "STOP"},
       RunState::kGuestPanicked,
       {}},
      {PanicAction::kShutdown,
       ShutdownAction::kPause,
       {"GUEST_PANICKED pause", "STOP"},
       RunState::kGuestPanicked,
       {}},
      {PanicAction::kShutdown,
       ShutdownAction::kPoweroff,
       {"GUEST_PANICKED poweroff", "STOP", end},
       RunState::kGuestPanicked,
       0},
      {PanicAction::kExitFailure,
       ShutdownAction::kPoweroff,
       {"GUEST_PANICKED poweroff", "STOP", end},
       RunState::kGuestPanicked,
       1},
      {PanicAction::kExitFailure,
       ShutdownAction::kPause,
       {"GUEST_PANICKED poweroff", "STOP", end},
       RunState::kGuestPanicked,
       {}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(testing::Message()
                 << static_cast<int>(c.panic) << " " << static_cast<int>(c.shutdown));
    config_.actions.panic = c.panic;
    config_.actions.shutdown = c.shutdown;
    exit_.reset();
    vm_.reset();
    Create();
    sink_.Take();
    Cpu().Push(kvm::SystemEventExit{kvm::SystemEventExit::Type::kCrash});
    WaitForRequest();
    EXPECT_EQ(sink_.Take(), c.events);
    EXPECT_EQ(vm_->run_state(), c.state);
    EXPECT_EQ(exit_, c.exit);
  }
}

TEST_F(VmTest, PowerButtonRaisesTheEventDevicesLine) {
  Create();
  sink_.Take();
  ASSERT_TRUE(vm_->SystemPowerdown());
  loop_.RunPosted();
  EXPECT_EQ(sink_.Take(), Events{"POWERDOWN"});
  EXPECT_TRUE(kvm_.vm->lines.contains(9));
}

TEST_F(VmTest, NmiReachesEveryVcpu) {
  config_.smp.cpus = 2;
  Create();
  ASSERT_TRUE(vm_->InjectNmi());
  EXPECT_EQ(Cpu(0).nmis, 1);
  EXPECT_EQ(Cpu(1).nmis, 1);
}

TEST_F(VmTest, WakeupIsRefused) {
  Create();
  EXPECT_EQ(vm_->SystemWakeup().error().message,
            "wake-up from suspend is not supported by this guest");
}

TEST_F(VmTest, PreconfigBuildsTheMachineLate) {
  config_.preconfig = true;
  Create();
  EXPECT_TRUE(vm_->in_preconfig());
  EXPECT_EQ(vm_->run_state(), RunState::kPrelaunch);
  EXPECT_EQ(kvm_.vm, nullptr);
  ASSERT_TRUE(vm_->ExitPreconfig());
  // At once: a stop that comes next must find a running machine.
  EXPECT_EQ(vm_->run_state(), RunState::kRunning);
  EXPECT_EQ(vm_->ExitPreconfig().error().message,
            "The command is permitted only before machine initialization");
}

TEST_F(VmTest, FailedExitFromPreconfigCanBeTriedAgain) {
  config_.preconfig = true;
  config_.machine_properties = {{"memory-backend", "m0"}};
  Create();
  EXPECT_EQ(vm_->ExitPreconfig().error().message, "Memory backend 'm0' not found");
  EXPECT_TRUE(vm_->in_preconfig());
  EXPECT_FALSE(vm_->Cont());
  kvm_.fail_vm_call = "CreatePit";
  ASSERT_TRUE(vm_->ObjectAdd({"memory-backend-ram", "m0", {{"size", {uint64_t{64} << 20}}}}));
  EXPECT_FALSE(vm_->ExitPreconfig());
  kvm_.fail_vm_call = "";
  ASSERT_TRUE(vm_->ExitPreconfig());
  loop_.RunPosted();
  EXPECT_EQ(vm_->run_state(), RunState::kRunning);
}

TEST_F(VmTest, RamIsSplitAtThreeGigabytes) {
  config_.memory.size = uint64_t{5} << 30;
  config_.start_paused = true;
  Create();
  ASSERT_EQ(kvm_.vm->slots.size(), 2U);
  EXPECT_EQ(kvm_.vm->slots[0].size, 0xc0000000U);
  EXPECT_EQ(kvm_.vm->slots[1].gpa, uint64_t{4} << 30);
  EXPECT_EQ(kvm_.vm->slots[1].size, (uint64_t{5} << 30) - 0xc0000000U);
  EXPECT_EQ(vm_->MemorySize().base_memory, uint64_t{5} << 30);
}

TEST_F(VmTest, MemoryBackendIsTheRamAndStaysInUse) {
  control::ObjectSpec spec{"memory-backend-memfd", "m0", {{"size", {uint64_t{64} << 20}}}};
  config_.objects = {spec};
  config_.machine_properties = {{"memory-backend", "m0"}};
  Create();
  ASSERT_EQ(vm_->Memdevs().size(), 1U);
  EXPECT_TRUE(vm_->Memdevs()[0].share);
  EXPECT_EQ(vm_->ObjectDel("m0").error().message, "object 'm0' is in use, can not be deleted");
}

TEST_F(VmTest, ReadOnlyMemoryBackendIsNoRam) {
  const std::string path = testing::TempDir() + "/readonly-ram";
  std::ofstream(path).close();
  std::filesystem::resize_file(path, uint64_t{64} << 20);
  config_.objects = {{"memory-backend-file",
                      "m0",
                      {{"size", {uint64_t{64} << 20}},
                       {"mem-path", {path}},
                       {"share", {true}},
                       {"readonly", {true}}}}};
  config_.machine_properties = {{"memory-backend", "m0"}};
  EXPECT_EQ(CreateError(), "memory backend 'm0' is read-only and cannot be the machine's RAM");
}

TEST_F(VmTest, DefaultRamIsListedAsQemuDoes) {
  Create();
  ASSERT_EQ(vm_->Memdevs().size(), 1U);
  EXPECT_EQ(vm_->Memdevs()[0].id, "microvm.ram");
}

TEST_F(VmTest, DeviceTreeCanBeDumped) {
  Create();
  const std::string path = testing::TempDir() + "/guest.dtb";
  ASSERT_TRUE(vm_->DumpDtb(path));
  std::ifstream in(path, std::ios::binary);
  char magic[4] = {};
  in.read(magic, 4);
  EXPECT_EQ(std::string(magic, 4), "\xd0\x0d\xfe\xed");
  EXPECT_EQ(vm_->DumpDtb("/nonexistent/x").error().message,
            "Error saving FDT to file /nonexistent/x: No such file or directory");
}

TEST_F(VmTest, DumpdtbDoesNotWaitForTheReaderOfAFifo) {
  Create();
  const std::string path = testing::TempDir() + "/dtb-fifo";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  EXPECT_EQ(vm_->DumpDtb(path).error().message,
            "Error saving FDT to file " + path + ": No such device or address");
}

TEST_F(VmTest, DumpdtbPropertyEndsBeforeTheGuestRuns) {
  config_.machine_properties = {{"dumpdtb", testing::TempDir() + "/early.dtb"}};
  Create();
  EXPECT_EQ(exit_, 0);
  EXPECT_TRUE(sink_.events.empty());
  EXPECT_EQ(Cpu().runs(), 0);
}

TEST_F(VmTest, NoneHasNothing) {
  config_ = {};
  config_.type = "none";
  Create();
  EXPECT_EQ(vm_->run_state(), RunState::kRunning);
  EXPECT_TRUE(vm_->Cpus().empty());
  EXPECT_EQ(vm_->MemorySize().base_memory, 0U);
  EXPECT_EQ(vm_->InjectNmi().error().message, "this feature or command is not currently supported");
  EXPECT_EQ(vm_->DumpDtb("x").error().message, "This machine doesn't have a FDT");
}

TEST_F(VmTest, ErrorsOfTheConfigurationAreWordedAsQemus) {
  const MachineConfig good = config_;
  const auto with = [&](auto change) {
    config_ = good;
    change(config_);
    return CreateError();
  };
  EXPECT_EQ(with([](auto& c) { c.type = "nosuch"; }),
            "unsupported machine type\nUse -machine help to list supported machines");
  EXPECT_EQ(with([](auto& c) {
              c.machine_properties = {{"foo", "bar"}};
            }),
            "Property 'microvm-machine.foo' not found");
  EXPECT_EQ(with([](auto& c) {
              c.machine_properties = {{"pit", "maybe"}};
            }),
            "Parameter 'pit' does not accept value 'maybe'");
  EXPECT_EQ(with([](auto& c) {
              c.machine_properties = {{"usb", "on"}};
            }),
            "Property 'microvm-machine.usb' cannot be 'on': not supported");
  EXPECT_EQ(with([](auto& c) {
              c.machine_properties = {{"isa-serial", "x"}};
            }),
            "Parameter 'isa-serial' expects 'on' or 'off'");
  EXPECT_EQ(with([](auto& c) { c.accels = {{"tcg", {}}}; }), "invalid accelerator tcg");
  EXPECT_EQ(with([](auto& c) {
              c.accels = {{"kvm", {{"foo", "1"}}}};
            }),
            "Property 'kvm-accel.foo' not found");
  EXPECT_EQ(with([](auto& c) { c.cpu = "host,+foo"; }), "Property 'host-x86_64-cpu.foo' not found");
  EXPECT_EQ(with([](auto& c) { c.smp.cpus = 300; }),
            "Invalid SMP CPUs 300. The max CPUs supported by machine 'microvm' is 255");
  EXPECT_EQ(with([](auto& c) { c.memory.slots = 2; }), "slots specified but no max-size");
  EXPECT_EQ(with([](auto& c) { c.memory.maxmem = 1 << 20; }),
            "invalid value of maxmem: maximum memory size (0x100000) must be at least the initial "
            "memory size (0x4000000)");
  EXPECT_EQ(with([](auto& c) {
              c.machine_properties = {{"memory-backend", "x"}};
            }),
            "Memory backend 'x' not found");
  EXPECT_EQ(with([](auto& c) { c.serials = {"nosuch"}; }), "chardev 'nosuch' not found");
  EXPECT_EQ(with([](auto& c) { c.debugcon = "nosuch"; }), "chardev 'nosuch' not found");
  EXPECT_EQ(with([](auto& c) {
              c = {};
              c.type = "none";
              c.debugcon = "x";
            }),
            "-debugcon: No 'ISA' bus found for device 'isa-debugcon'");
  EXPECT_EQ(with([](auto& c) { c.kernel = std::string("/nonexistent/k"); }),
            "could not open kernel file '/nonexistent/k': No such file or directory");
  EXPECT_EQ(with([](auto& c) {
              c.kernel = {};
              c.append = "x";
            }),
            "-append only allowed with -kernel option");
  EXPECT_EQ(with([](auto& c) { c.memory.size = uint64_t{1} << 60; }),
            "cannot set up guest memory 'microvm.ram': Cannot allocate memory");
  EXPECT_EQ(with([](auto& c) {
              control::ObjectSpec spec{"memory-backend-ram", "a", {{"size", {uint64_t{4096}}}}};
              c.objects = {spec, spec};
            }),
            "Duplicate ID 'a' for object");
}

TEST_F(VmTest, FailureOfKvmNamesTheCall) {
  kvm_.fail_vm_call = "CreateIrqchip";
  EXPECT_EQ(CreateError(), "CreateIrqchip failed: Invalid argument");
}

TEST_F(VmTest, TooManyVcpusForKvmAreRefused) {
  config_.smp.cpus = 8;
  kvm_.caps[kvm::Cap::kMaxVcpus] = 4;
  EXPECT_EQ(CreateError(),
            "Number of SMP cpus requested (8) exceeds the maximum cpus supported by KVM (4)");
}

}  // namespace
}  // namespace davit::machine
