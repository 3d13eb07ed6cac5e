// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See executor.h.
#include "vmm/qtest/executor.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>
#include <variant>

namespace davit::qtest {
namespace {

// One access: RAM as a whole, else up to 8 bytes on the bus.
void AccessOnce(Target& target, uint64_t address, std::span<uint8_t> data, bool write) {
  const memory::GuestMemory memory = target.memory();
  const auto bytes = std::as_writable_bytes(data);
  if (memory.Contains({address}, data.size())) {
    // Read-only memory drops writes.
    (void)(write ? memory.Write({address}, std::span<const std::byte>(bytes))
                 : memory.Read({address}, bytes));
    return;
  }
  const bus::Bus* mmio = target.mmio();
  if (mmio == nullptr) {
    if (!write) std::fill(data.begin(), data.end(), uint8_t{0xff});
  } else if (write) {
    mmio->Write(address, data);
  } else {
    mmio->Read(address, data);
  }
}

// How much of [address, +left) can be handled at once: up to the edge of RAM as a whole, outside in
// naturally aligned pieces.
uint64_t PieceAt(const memory::GuestMemory& memory, uint64_t address, uint64_t left, bool& ram) {
  ram = false;
  uint64_t edge = left;  // bytes up to the next region
  for (const memory::Region& region : memory.regions()) {
    if (address >= region.base.value && address - region.base.value < region.size) {
      ram = true;
      return std::min(left, region.size - (address - region.base.value));
    }
    if (region.base.value > address) edge = std::min(edge, region.base.value - address);
  }
  uint64_t piece = 4;
  while (piece > edge || address % piece != 0) piece /= 2;
  return piece;
}

constexpr size_t kMaxPiece = 65536;
constexpr uint64_t kMaxOutside = 1024 * 1024;  // bytes outside RAM that one command touches

// Calls fn(address, bytes done, piece, in RAM) over a range, which wraps at 2^64. False: the range
// has too much outside RAM.
template <typename Fn>
bool ForEachPiece(Target& target, uint64_t address, uint64_t size, Fn fn) {
  const memory::GuestMemory memory = target.memory();
  uint64_t outside = 0;
  for (uint64_t done = 0; done < size;) {
    bool ram = false;
    const uint64_t piece =
        std::min<uint64_t>(PieceAt(memory, address + done, size - done, ram), kMaxPiece);
    if (!ram && (outside += piece) > kMaxOutside) return false;
    fn(address + done, done, piece, ram);
    done += piece;
  }
  return true;
}

std::string TooMuchOutside() { return "FAIL the range has too much outside RAM"; }

}  // namespace

std::string Executor::Execute(const Command& command) {
  std::string answer = std::visit([this](const auto& c) { return Run(c); }, command);
  if (io::VirtualClockLoop* clock = target_.clock()) clock->Settle();
  return answer;
}

void Executor::ForgetLevels() {
  const std::lock_guard lock(mutex_);
  high_.clear();
}

std::string Executor::Run(const Refusal& refusal) { return refusal.answer; }

std::string Executor::Run(const PortAccess& access) {
  std::array<uint8_t, 4> bytes{};
  const std::span data = std::span(bytes).first(access.size);
  const bus::Bus* ports = target_.ports();
  if (access.write) {
    for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<uint8_t>(access.value >> 8 * i);
    if (ports != nullptr) ports->Write(access.port, data);
    return "OK";
  }
  std::fill(data.begin(), data.end(), uint8_t{0xff});
  if (ports != nullptr) ports->Read(access.port, data);
  uint32_t value = 0;
  for (size_t i = 0; i < data.size(); ++i) value |= uint32_t{data[i]} << 8 * i;
  return fmt::format("OK 0x{:04x}", value);
}

std::string Executor::Run(const MemoryAccess& access) {
  std::array<uint8_t, 8> bytes{};
  const std::span data = std::span(bytes).first(access.size);
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<uint8_t>(access.value >> 8 * i);
  const memory::GuestMemory memory = target_.memory();
  const uint64_t last = access.address + data.size() - 1;
  if (memory.Contains({access.address}, 1) == memory.Contains({last}, 1)) {
    AccessOnce(target_, access.address, data, access.write);
  } else {  // across an edge of RAM
    ForEachPiece(target_, access.address, data.size(),
                 [&](uint64_t address, uint64_t done, uint64_t piece, bool) {
                   AccessOnce(target_, address, data.subspan(done, piece), access.write);
                 });
  }
  if (access.write) return "OK";
  uint64_t value = 0;
  for (size_t i = 0; i < data.size(); ++i) value |= uint64_t{data[i]} << 8 * i;
  return fmt::format("OK 0x{:016x}", value);
}

std::string Executor::Run(const BlockRead& block) {
  std::vector<uint8_t> data(block.size);
  const bool all =
      ForEachPiece(target_, block.address, block.size,
                   [&](uint64_t address, uint64_t done, uint64_t piece, bool) {
                     AccessOnce(target_, address, std::span(data).subspan(done, piece), false);
                   });
  if (!all) return TooMuchOutside();
  return "OK " + (block.base64 ? ToBase64(data) : ToHex(data));
}

std::string Executor::Run(const BlockWrite& block) {
  std::vector<uint8_t> data = block.data;
  const bool all =
      ForEachPiece(target_, block.address, data.size(),
                   [&](uint64_t address, uint64_t done, uint64_t piece, bool) {
                     AccessOnce(target_, address, std::span(data).subspan(done, piece), true);
                   });
  return all ? "OK" : TooMuchOutside();
}

std::string Executor::Run(const BlockFill& fill) {
  const memory::GuestMemory memory = target_.memory();
  const bool all = ForEachPiece(target_, fill.address, fill.size,
                                [&](uint64_t address, uint64_t, uint64_t piece, bool ram) {
                                  if (ram) {
                                    (void)memory.Fill({address}, piece, std::byte{fill.value});
                                    return;
                                  }
                                  std::array<uint8_t, 4> bytes;
                                  bytes.fill(fill.value);
                                  AccessOnce(target_, address, std::span(bytes).first(piece), true);
                                });
  return all ? "OK" : TooMuchOutside();
}

// Of the host, whose order the values of readw and the like are in; a PC has no other.
std::string Executor::Run(const Endianness&) { return "OK little"; }

std::string Executor::MoveClock(int64_t ns) {
  io::VirtualClockLoop& clock = *target_.clock();
  clock.AdvanceTo(ns);
  return fmt::format("OK {}", clock.now_ns());
}

std::string Executor::Run(const ClockStep& step) {
  io::VirtualClockLoop* clock = target_.clock();
  if (clock == nullptr) return "FAIL Unknown command 'clock_step'";
  clock->Settle();  // a timer may be on its way
  if (!step.ns) return MoveClock(clock->NextDeadline().value_or(clock->now_ns()));
  int64_t ns = 0;
  if (__builtin_add_overflow(clock->now_ns(), *step.ns, &ns)) {
    return "FAIL clock_step: the clock would overflow";
  }
  return MoveClock(ns);
}

std::string Executor::Run(const ClockSet& set) {
  if (target_.clock() == nullptr) return "FAIL Unknown command 'clock_set'";
  return MoveClock(set.ns);
}

std::string Executor::Run(const IrqIntercept& intercept) {
  if (!target_.HasDevice(intercept.path)) return "FAIL Unknown device";
  if (!intercepted_.empty()) {
    return intercepted_ == intercept.path ? "OK" : "FAIL IRQ intercept already enabled";
  }
  // No device has unnamed outputs here.
  if (intercept.out) return "OK";
  intercepted_ = intercept.path;
  target_.InterceptInputs(intercept.path,
                          [this](uint32_t number, bool level) { OnLevel(number, level); });
  return "OK";
}

void Executor::OnLevel(uint32_t number, bool level) {
  const std::lock_guard lock(mutex_);
  const bool changed = level ? high_.insert(number).second : high_.erase(number) != 0;
  if (changed) event_(fmt::format("IRQ {} {}", level ? "raise" : "lower", number));
}

std::string Executor::Run(const SetIrqIn& irq) {
  if (!target_.HasDevice(irq.path)) return "FAIL Unknown device";
  irq::IrqLine* const input = target_.Input(irq.path, irq.name, irq.number);
  if (input == nullptr) {
    return fmt::format("FAIL set_irq_in: the device has no input {} of that name", irq.number);
  }
  input->Set(irq.level);
  return "OK";
}

}  // namespace davit::qtest
