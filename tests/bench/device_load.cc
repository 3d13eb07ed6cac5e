// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See device_load.h.
#include "tests/bench/device_load.h"

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <utility>

namespace davit::bench {
namespace {

using Clock = std::chrono::steady_clock;
using testing::Vm;
using testing::VmOptions;

constexpr testing::milliseconds kBoot{120'000};
constexpr testing::milliseconds kAnswer{60'000};

// "KEY N", the two apart by a space or a tab.
std::optional<double> NumberAfter(std::string_view text, std::string_view key) {
  size_t at = text.find(key);
  while (at != std::string_view::npos && text.find_first_of(" \t", at) != at + key.size()) {
    at = text.find(key, at + 1);
  }
  if (at == std::string_view::npos) return std::nullopt;
  return std::strtod(std::string(text.substr(at + key.size() + 1, 32)).c_str(), nullptr);
}

// What the process itself did: read and write system calls of any kind, how often its threads went
// to sleep, and microseconds on a CPU; "main": of the thread that serves what has no iothread.
void AddProcessCounters(const std::string& proc, const std::string& main, KvmCounters& counters) {
  const std::string io = testing::ReadFile(proc + "/io");
  counters["reads"] = NumberAfter(io, "syscr:").value_or(0);
  counters["writes"] = NumberAfter(io, "syscw:").value_or(0);
  std::error_code error;
  for (const auto& task : std::filesystem::directory_iterator(proc + "/task", error)) {
    const std::string prefix = task.path().filename() == main ? "main_" : "other_";
    const std::string status = testing::ReadFile(task.path() / "status");
    counters[prefix + "sleeps"] += NumberAfter(status, "\nvoluntary_ctxt_switches:").value_or(0);
    const std::string time = testing::ReadFile(task.path() / "schedstat");
    counters[prefix + "us"] += std::strtod(time.c_str(), nullptr) / 1e3;
  }
}

}  // namespace

Result<std::unique_ptr<LoadedVm>> LoadedVm::Start(const std::vector<std::string>& argv,
                                                  const std::string& modules) {
  VmOptions options;
  options.program = argv[0];
  options.args.assign(argv.begin() + 1, argv.end());
  options.timeout = kBoot;
  std::unique_ptr<LoadedVm> loaded(new LoadedVm);
  DAVIT_ASSIGN(loaded->vm_, Vm::Start(std::move(options)));
  Vm& vm = *loaded->vm_;
  if (auto up = vm.serial().WaitFor("bench: up", kBoot); !up) {
    return Fail(up.error().message + "\n" + vm.process().Stderr());
  }
  DAVIT_ASSIGN(const std::string answer, loaded->AskRunning("load " + modules));
  if (answer != "loaded") return Fail(argv[0] + ": " + answer);
  DAVIT_TRY(vm.qmp().Execute("stop"));
  return loaded;
}

Result<std::string> LoadedVm::AskRunning(const std::string& command) {
  DAVIT_TRY(vm_->serial().Send(command + "\n"));
  return vm_->serial().WaitForLine("bench: ", kAnswer);
}

Result<std::string> LoadedVm::Ask(const std::string& command) {
  DAVIT_TRY(vm_->qmp().Execute("cont"));
  DAVIT_ASSIGN(std::string answer, AskRunning(command));
  DAVIT_TRY(vm_->qmp().Execute("stop"));
  return answer;
}

Result<Figure> LoadedVm::Load(const std::string& command, std::string_view key) {
  const KvmCounters before = Counters();
  DAVIT_ASSIGN(const std::string answer, Ask(command));
  const auto ops = NumberAfter(answer, key);
  const auto ns = NumberAfter(answer, "ns");
  if (!ops || !ns || *ops <= 0) return Fail(command + ": " + answer);
  Figure figure{.ops = *ops, .seconds = *ns / 1e9, .counters = Counters()};
  for (auto& [name, value] : figure.counters) {
    if (const auto it = before.find(name); it != before.end()) value -= it->second;
  }
  return figure;
}

Result<double> LoadedVm::Balloon(uint64_t bytes) {
  client::Client& qmp = vm_->qmp();
  DAVIT_TRY(qmp.Execute("cont"));
  const auto start = Clock::now();
  DAVIT_TRY(qmp.Execute("balloon", {{"value", json::Value(static_cast<int64_t>(bytes))}}));
  for (;;) {
    DAVIT_ASSIGN(const json::Value answer, qmp.Execute("query-balloon"));
    const int64_t* actual = answer["actual"].AsInt();
    const std::chrono::duration<double, std::milli> spent = Clock::now() - start;
    if (actual != nullptr && *actual == static_cast<int64_t>(bytes)) {
      DAVIT_TRY(qmp.Execute("stop"));
      return spent.count();
    }
    if (spent > kAnswer) {
      return Fail("the balloon stands at " + std::to_string(actual == nullptr ? -1 : *actual));
    }
    DAVIT_TRY(qmp.NextEvent(testing::milliseconds(10)));
  }
}

Result<double> LoadedVm::Plug(const json::Object& device, const std::string& seen) {
  DAVIT_TRY(vm_->qmp().Execute("cont"));
  DAVIT_TRY(vm_->serial().Send("await " + seen + "\n"));
  const auto start = Clock::now();
  DAVIT_TRY(vm_->qmp().Execute("device_add", device));
  DAVIT_ASSIGN(const std::string answer, vm_->serial().WaitForLine("bench: ", kAnswer));
  const std::chrono::duration<double, std::milli> spent = Clock::now() - start;
  if (answer != "there") return Fail(seen + ": " + answer);
  DAVIT_TRY(vm_->qmp().Execute("stop"));
  return spent.count();
}

Result<double> LoadedVm::Unplug(const std::string& id) {
  client::Client& qmp = vm_->qmp();
  DAVIT_TRY(qmp.Execute("cont"));
  auto start = Clock::now();
  for (const auto end = start + kAnswer;; start = Clock::now()) {
    const auto asked = qmp.Execute("device_del", {{"id", id}});
    if (asked) break;
    if (start > end) return Fail(asked.error());
    DAVIT_TRY(qmp.NextEvent(testing::milliseconds(10)));
  }
  for (;;) {
    DAVIT_ASSIGN(const client::Event event, qmp.WaitEvent("DEVICE_DELETED", kAnswer));
    if (event.data["device"] == json::Value(id)) break;
  }
  const std::chrono::duration<double, std::milli> spent = Clock::now() - start;
  DAVIT_TRY(qmp.Execute("stop"));
  return spent.count();
}

KvmCounters LoadedVm::Counters() const {
  const std::string pid = std::to_string(vm_->process().pid());
  const std::string prefix = pid + "-";
  KvmCounters counters;
  AddProcessCounters("/proc/" + pid, pid, counters);
  std::error_code error;
  for (const auto& vm : std::filesystem::directory_iterator("/sys/kernel/debug/kvm", error)) {
    if (!vm.path().filename().string().starts_with(prefix)) continue;
    for (const auto& file : std::filesystem::directory_iterator(vm.path(), error)) {
      if (!file.is_regular_file(error)) continue;
      const std::string text = testing::ReadFile(file.path());
      char* end = nullptr;
      const double value = std::strtod(text.c_str(), &end);
      if (end != text.c_str()) counters[file.path().filename()] = value;
    }
  }
  return counters;
}

}  // namespace davit::bench
