// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0

#include "tests/guest/guest_vm.h"

#include <poll.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "schema/runtime/json/json.h"

namespace davit::testing {
namespace {

std::string Environment(const char* name, const std::string& otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : value;
}

std::string Name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

bool Has(const Args& args, std::string_view option) {
  for (const std::string& a : args) {
    if (a == option) return true;
  }
  return false;
}

std::string Registers(Vm& vm) {
  auto text = vm.qmp().Execute("human-monitor-command",
                               json::Object{{"command-line", "info registers -a"}});
  if (!text) return text.error().message;
  return *text->AsString();
}

void GiveUp(Vm& vm, const Error& error) { FAIL() << error << StateOf(vm); }

std::string Answer(Vm& vm, const Result<std::string>& answer) {
  if (answer) return *answer;
  GiveUp(vm, answer.error());
  return "";
}

}  // namespace

std::string ProbeFile(const std::string& name) {
  return Environment("DAVIT_PROBE_DIR", "bazel-bin/tests/guest/probe") + "/" + name;
}

bool VmmIsQemu() { return Name(DavitdPath()).starts_with("qemu"); }

Args GuestArgs(const Args& more, const std::string& machine_options) {
  Args args = {
      "-machine",    "microvm" + std::string(VmmIsQemu() ? ",acpi=on" : "") + machine_options,
      "-accel",      "kvm",
      "-nodefaults", "-no-user-config",
      "-display",    "none"};
  args.insert(args.end(), more.begin(), more.end());
  if (!Has(args, "-m")) args.insert(args.end(), {"-m", "256"});
  return args;
}

std::unique_ptr<Vm> StartProbe(const Args& more, const std::string& machine_options) {
  VmOptions options;
  options.args = GuestArgs(more, machine_options);
  // The built-in guest takes no -append, -initrd or -dtb (as QEMU's firmware takes none).
  const bool needs_kernel = Has(more, "-append") || Has(more, "-initrd") || Has(more, "-dtb");
  if (!Has(more, "-kernel") && (needs_kernel || VmmIsQemu())) {
    options.args.insert(options.args.end(),
                        {"-kernel", ProbeFile(VmmIsQemu() ? "probe.elf" : "probe.bzImage")});
  }
  auto vm = Vm::Start(std::move(options));
  if (!vm) {
    ADD_FAILURE() << vm.error();
    return nullptr;
  }
  if (Has(more, "-S") || Has(more, "--preconfig")) return std::move(*vm);
  if (auto ready = (*vm)->serial().WaitFor("ready, h for help", kReplyTime); !ready) {
    ADD_FAILURE() << ready.error() << (*vm)->process().Stderr();
    return nullptr;
  }
  return std::move(*vm);
}

std::unique_ptr<Vm> StartLinux(const Args& more, const std::string& append,
                               const std::string& machine_options, const std::string& file) {
  const std::string dir = Environment("DAVIT_GUEST_DIR", ".");
  VmOptions options;
  options.args = GuestArgs(more, machine_options);
  options.args.insert(options.args.end(),
                      {"-kernel", dir + "/" + file, "-initrd", dir + "/initramfs", "-append",
                       "console=ttyS0 quiet panic=-1 " + append, "-cpu", "host"});
  auto vm = Vm::Start(std::move(options));
  if (!vm) {
    ADD_FAILURE() << vm.error();
    return nullptr;
  }
  return std::move(*vm);
}

std::string WhyNoLinux() {
  if (std::string why = WhyNoKvm(); !why.empty()) return why;
  if (!HasHardwareKvm()) return "KVM has no hardware under it, which a stock kernel needs";
  if (std::getenv("DAVIT_GUEST_DIR") == nullptr) return "DAVIT_GUEST_DIR is not set";
  return "";
}

Result<std::string> WaitForInit(Vm& vm) {
  auto line = vm.serial().WaitForLine("init: up ", kBootTime);
  if (!line) {
    return Fail(line.error().message + "\nstderr: " + vm.process().Stderr() + StateOf(vm));
  }
  return line;
}

void ExpectEvent(Vm& vm, std::string_view name, bool guest, std::string_view reason) {
  auto event = vm.qmp().WaitEvent(name, kReplyTime);
  ASSERT_TRUE(event) << event.error();
  const bool* is_guest = event->data["guest"].AsBool();
  const std::string* text = event->data["reason"].AsString();
  ASSERT_TRUE(is_guest != nullptr && text != nullptr);
  EXPECT_EQ(*is_guest, guest);
  EXPECT_EQ(*text, reason);
}

void ExpectExit(Vm& vm) {
  auto status = vm.process().Wait(kReplyTime);
  ASSERT_TRUE(status) << status.error();
  EXPECT_EQ(*status, 0) << vm.process().Stderr();
}

std::string StateOf(Vm& vm) {
  std::string text = "\nrun state " + vm.RunState() + "\nthreads (state, where in the kernel):\n";
  const std::string tasks = "/proc/" + std::to_string(vm.process().pid()) + "/task";
  std::error_code error;
  for (const auto& task : std::filesystem::directory_iterator(tasks, error)) {
    const std::string at = task.path().string();
    const std::string stat = ReadFile(at + "/stat");  // "TID (NAME) STATE ..."
    text += stat.substr(0, stat.rfind(')') + 3) + " " + ReadFile(at + "/wchan") + "\n";
  }
  text += "its stderr:\n" + vm.process().Stderr() + "events that nobody waited for:\n";
  while (const auto event = vm.qmp().TakeEvent()) text += json::Write(event->message) + "\n";
  // Twice, which shows whether it moves.
  return text + Registers(vm) + Registers(vm);
}

std::string Ask(Vm& vm, std::string_view text, std::string_view prefix) {
  if (::testing::Test::HasFatalFailure()) return "";
  EXPECT_TRUE(vm.serial().Send(text));
  return Answer(vm, vm.serial().WaitForLine(prefix, kReplyTime));
}

std::string Lines(Vm& vm, std::string_view command) {
  if (::testing::Test::HasFatalFailure()) return "";
  EXPECT_TRUE(vm.serial().Send(command));
  return Answer(vm, vm.serial().WaitFor("init: end", kReplyTime));
}

bool Eventually(const std::function<bool()>& condition, milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    poll(nullptr, 0, 50);
  }
  return true;
}

uint64_t ResidentBytes(Vm& vm) {
  std::istringstream status(ReadFile("/proc/" + std::to_string(vm.process().pid()) + "/status"));
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return std::strtoull(line.c_str() + 6, nullptr, 10) * 1024;
  }
  ADD_FAILURE() << "no VmRSS: the process is gone";
  return 0;
}

int64_t BalloonActual(Vm& vm) {
  auto reply = vm.qmp().Execute("query-balloon");
  EXPECT_TRUE(reply) << reply.error();
  const int64_t* actual = reply ? (*reply)["actual"].AsInt() : nullptr;
  return actual != nullptr ? *actual : -1;
}

void SetBalloon(Vm& vm, uint64_t bytes) {
  ASSERT_OK(vm.qmp().Execute("balloon", json::Object{{"value", static_cast<int64_t>(bytes)}}));
}

long long NumberAfter(std::string_view line, std::string_view key) {
  const std::string needle = std::string(key) + " ";
  const size_t at = line.find(needle);
  if (at == std::string_view::npos) return -1;
  return std::atoll(std::string(line.substr(at + needle.size())).c_str());
}

}  // namespace davit::testing
