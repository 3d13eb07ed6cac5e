// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A VM whose Linux guest (tests/bench/guest) puts load on its devices. One process stays up for all
// rows; it is stopped while another is measured, so that runs of several VMMs can alternate.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "schema/runtime/json/value.h"
#include "tests/support/vm.h"
#include "vmm/base/error.h"

namespace davit::bench {

// Of a VM: KVM's counters, all vCPUs together ("exits", "halt_exits"), where the kernel tells them
// (debugfs), and those of its process ("reads", "main_sleeps").
using KvmCounters = std::map<std::string, double>;

struct Figure {
  double ops = 0;        // requests, bytes, round trips
  double seconds = 0;    // by the guest's clock
  KvmCounters counters;  // what they grew by meanwhile
};

class LoadedVm {
 public:
  // argv: as Subject::argv with devices and kernel. Boots to the guest's first line, loads
  // `modules`, stops.
  static Result<std::unique_ptr<LoadedVm>> Start(const std::vector<std::string>& argv,
                                                 const std::string& modules);

  // Lets the VM run for one command of the guest. The answer without "bench: ".
  Result<std::string> Ask(const std::string& command);
  // A command that answers "... KEY N ns T".
  Result<Figure> Load(const std::string& command, std::string_view key);
  // Milliseconds from `balloon` until query-balloon tells `bytes`.
  Result<double> Balloon(uint64_t bytes);
  // Milliseconds from device_add until the guest has the file `seen`.
  Result<double> Plug(const json::Object& device, const std::string& seen);
  // Milliseconds from device_del until DEVICE_DELETED; asked again while the slot is busy.
  Result<double> Unplug(const std::string& id);

 private:
  LoadedVm() = default;
  Result<std::string> AskRunning(const std::string& command);
  KvmCounters Counters() const;

  std::unique_ptr<testing::Vm> vm_;
};

}  // namespace davit::bench
