// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See accel_choice.h.
#include "vmm/machine/accel_choice.h"

#include <fmt/format.h>

#include <utility>

#include "vmm/base/log.h"

namespace davit::machine {
namespace {

// last: nothing is left to fall back on, so that making the VM later tells as much.
Status OpenKvm(kvm::System* given, bool last, AccelChoice& choice) {
  if (given == nullptr) {
    DAVIT_ASSIGN(choice.system, kvm::System::Open());
  }
  if (last) return {};
  // A KVM that opens may still be taken by another hypervisor.
  auto vm = (given != nullptr ? given : choice.system.get())->CreateVm();
  return vm ? Status{} : Fail(vm.error());
}

}  // namespace

Result<AccelChoice> ChooseAccel(const MachineConfig& config, kvm::System* given, bool needs_kvm) {
  std::vector<AccelConfig> list = config.accels;
  if (list.empty()) list.push_back({"kvm", {}, {}});
  std::vector<std::string> failures;
  const auto chosen = [&](const char* name, AccelChoice choice) {
    for (const std::string& failure : failures) DAVIT_LOG_WARN("{}", failure);
    // A test client that lists several wants no word about it.
    if (!failures.empty() && !config.qtest) DAVIT_LOG_WARN("falling back to {}", name);
    return choice;
  };
  for (const AccelConfig& accel : list) {
    const std::string at = accel.where.empty() ? "" : accel.where + ": ";
    if (accel.name == "qtest") return chosen("QTest", {true, nullptr});
    if (accel.name != "kvm") {
      failures.push_back(fmt::format("{}invalid accelerator {}", at, accel.name));
      continue;
    }
    AccelChoice choice;
    Status works = OpenKvm(given, &accel == &list.back(), choice);
    if (works) return chosen("KVM", std::move(choice));
    // A machine without CPUs asks nothing of KVM: capability probes work on every host.
    if (!needs_kvm && list.size() == 1) return AccelChoice{};
    failures.push_back(fmt::format("{}failed to initialize kvm: {}", at, works.error().message));
  }
  for (size_t i = 0; i + 1 < failures.size(); ++i) DAVIT_LOG_ERROR("{}", failures[i]);
  return Fail(failures.back());
}

}  // namespace davit::machine
