// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A VMM that a test drives by the qtest protocol in place of a guest: davitd with `-accel qtest`,
// or, with DAVIT_QTEST_QEMU=1 in the environment, QEMU to compare with (whose packages have no such
// accelerator: its one vCPU then halts in a firmware of two instructions, and clocks run by
// themselves). Both sockets listen before the VMM starts, which connects. What goes wrong between
// the two ends the test program with the VMM's stderr. Owner: the thread of the test.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "clients/lib/client.h"
#include "tests/support/process.h"
#include "vmm/base/error.h"

namespace davit::qtest {

using std::chrono::milliseconds;

// A connection to a UNIX socket that the VMM listens on; reads wait, but not for ever. Ends the
// program when there is none.
UniqueFd ConnectTo(const std::string& path);

struct PciPlaces;  // pci.cc: which addresses have been given out

class Machine {
 public:
  // Ends the program when the VMM does not start. args: "-M", "q35", "-device", ...
  explicit Machine(const std::vector<std::string>& args = {});
  // Error: with the stderr of a VMM that ended at once.
  static Result<std::unique_ptr<Machine>> Start(const std::vector<std::string>& args);
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  static bool IsQemu();  // the oracle: no clock to step

  // --- ports, memory; little-endian ---
  uint32_t In(uint16_t port, unsigned size);
  void Out(uint16_t port, unsigned size, uint32_t value);
  uint8_t InB(uint16_t port) { return static_cast<uint8_t>(In(port, 1)); }
  void OutB(uint16_t port, uint8_t value) { Out(port, 1, value); }
  uint64_t Read(uint64_t address, unsigned size);  // one access of 1, 2, 4 or 8 bytes
  void Write(uint64_t address, unsigned size, uint64_t value);
  uint32_t Read32(uint64_t address) { return static_cast<uint32_t>(Read(address, 4)); }
  void Write32(uint64_t address, uint32_t value) { Write(address, 4, value); }
  std::vector<uint8_t> ReadBytes(uint64_t address, size_t size);
  void WriteBytes(uint64_t address, std::span<const uint8_t> bytes);
  void WriteBytes(uint64_t address, std::string_view text) {
    WriteBytes(address, std::span(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
  }
  template <typename T>
  T Load(uint64_t address) {
    static_assert(std::is_trivially_copyable_v<T>);
    T value;
    const std::vector<uint8_t> bytes = ReadBytes(address, sizeof(T));
    std::copy(bytes.begin(), bytes.end(), reinterpret_cast<uint8_t*>(&value));
    return value;
  }
  template <typename T>
  void Store(uint64_t address, const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    WriteBytes(address, std::span(reinterpret_cast<const uint8_t*>(&value), sizeof(T)));
  }
  void Fill(uint64_t address, uint64_t size, uint8_t value);

  // Guest RAM that no other part of the test uses; zero at first use. From 2 MiB up.
  uint64_t Allocate(uint64_t size, uint64_t align = 16);

  // --- the virtual clock; each returns the time, ns ---
  int64_t ClockStep(int64_t ns);
  int64_t ClockStepToNextTimer();
  int64_t ClockSet(int64_t ns);

  // --- interrupt lines, as the IOAPIC gets them; from now on ---
  void InterceptIoapic();
  bool Line(unsigned gsi);  // level, with what has arrived
  int Rises(unsigned gsi);  // since InterceptIoapic()

  // True when it becomes true before the deadline: for back ends that work in their own time.
  bool WaitFor(const std::function<bool()>& condition, milliseconds timeout = testing::kPatience);

  // One command, one answer line ("OK 0x..", "FAIL ..."), as it is.
  std::string Command(const std::string& line);
  // Without its "OK"; ends the program on anything else.
  std::string Ok(const std::string& line);

  client::Client& qmp() { return *qmp_; }
  // The return value; ends the program on an error.
  json::Value Qmp(std::string_view command, json::Object arguments = {});

  testing::Process& process() { return *process_; }
  const testing::TempDir& dir() const { return dir_; }
  const std::string& type() const { return type_; }  // of the -M or -machine given, or "microvm"
  // Ends the program: what the test cannot go on after.
  [[noreturn]] void Die(const std::string& why) const;
  // The test's end of the qtest socket; -1 after CloseQtest().
  int qtest_fd() const { return fd_.get(); }
  void CloseQtest() { fd_.reset(); }
  std::shared_ptr<PciPlaces>& pci_places() { return pci_places_; }

 private:
  struct NotOpen {
    explicit NotOpen() = default;
  };
  explicit Machine(NotOpen) {}
  Status Open(const std::vector<std::string>& args);
  std::vector<std::string> CommandLine(const std::vector<std::string>& args) const;
  void ReadLine(std::string& line);  // blocks until there is one
  // Takes an "IRQ ..." line; false: it is none.
  bool TakeIrq(const std::string& line);

  testing::TempDir dir_;
  std::string type_ = "microvm";
  std::unique_ptr<testing::Process> process_;
  UniqueFd fd_;
  std::string input_;
  std::unique_ptr<client::Client> qmp_;
  std::map<unsigned, bool> levels_;
  std::map<unsigned, int> rises_;
  uint64_t next_page_ = 0x200000;
  std::shared_ptr<PciPlaces> pci_places_;
};

}  // namespace davit::qtest
