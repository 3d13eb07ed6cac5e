// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Runs parsed qtest commands on a target and words the answers. Accesses outside RAM go to the bus
// as a vCPU's would. Control thread.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <set>
#include <span>
#include <string>

#include "vmm/qtest/protocol.h"
#include "vmm/qtest/target.h"

namespace davit::qtest {

class Executor {
 public:
  // event: told "IRQ raise 4" lines, on any thread. The target outlives this.
  Executor(Target& target, std::function<void(std::string)> event)
      : target_(target), event_(std::move(event)) {}

  // The answer without its newline; what the command has set going in devices is done, too.
  std::string Execute(const Command& command);
  // A new client: all intercepted lines count as low.
  void ForgetLevels();

 private:
  std::string Run(const Refusal& refusal);
  std::string Run(const PortAccess& access);
  std::string Run(const MemoryAccess& access);
  std::string Run(const BlockRead& block);
  std::string Run(const BlockWrite& block);
  std::string Run(const BlockFill& fill);
  std::string Run(const Endianness& endianness);
  std::string Run(const ClockStep& step);
  std::string Run(const ClockSet& set);
  std::string Run(const IrqIntercept& intercept);
  std::string Run(const SetIrqIn& irq);

  std::string MoveClock(int64_t ns);
  void OnLevel(uint32_t number, bool level);

  Target& target_;
  const std::function<void(std::string)> event_;
  std::string intercepted_;  // the device; empty: none
  std::mutex mutex_;         // guards high_, and keeps events in the order of the changes
  std::set<uint32_t> high_;  // intercepted lines
};

}  // namespace davit::qtest
