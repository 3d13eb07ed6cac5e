// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See machine.h.
#include "tests/support/virtio/machine.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "tests/support/vm.h"

namespace davit::qtest {
namespace {

Result<UniqueFd> Listen(const std::string& path) {
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  if (!fd || bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      listen(fd.get(), 1) != 0) {
    return FailErrno(path);
  }
  return fd;
}

// Waits for the VMM to connect, or to end.
Result<UniqueFd> Accept(int listener, testing::Process& process) {
  const auto deadline = std::chrono::steady_clock::now() + testing::kPatience;
  while (std::chrono::steady_clock::now() < deadline) {
    pollfd polled{listener, POLLIN, 0};
    if (poll(&polled, 1, 20) > 0) {
      UniqueFd fd(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
      if (fd) return fd;
    }
    if (auto status = process.Wait(milliseconds(0)); status) {
      return Fail(fmt::format("it ended with status {}", *status));
    }
  }
  return Fail("it does not connect");
}

// hlt; jmp back: at the reset vector of a 64 KiB ROM, whose ends are 4 GiB and 1 MiB.
void WriteIdleFirmware(const std::string& path) {
  std::string rom(0x10000, '\x90');
  rom.replace(0xfff0, 4, "\xfa\xf4\xeb\xfd");
  std::ofstream(path, std::ios::binary) << rom;
}

}  // namespace

UniqueFd ConnectTo(const std::string& path) {
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const timeval patience{testing::kPatience.count() / 1000, 0};
  if (!fd || connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0) {
    std::perror(path.c_str());
    std::abort();
  }
  return fd;
}

bool Machine::IsQemu() {
  const char* value = std::getenv("DAVIT_QTEST_QEMU");
  return value != nullptr && *value != '\0' && *value != '0';
}

Machine::Machine(const std::vector<std::string>& args) {
  if (Status opened = Open(args); !opened) Die(opened.error().message);
}

Result<std::unique_ptr<Machine>> Machine::Start(const std::vector<std::string>& args) {
  std::unique_ptr<Machine> machine(new Machine(NotOpen{}));
  DAVIT_TRY(machine->Open(args));
  return machine;
}

Machine::~Machine() {
  if (qmp_ != nullptr) testing::EndVmm(*process_);
}

void Machine::Die(const std::string& why) const {
  std::fprintf(stderr, "qtest: %s\n%s", why.c_str(), process_ ? process_->Stderr().c_str() : "");
  std::abort();
}

std::vector<std::string> Machine::CommandLine(const std::vector<std::string>& args) const {
  std::vector<std::string> argv;
  if (IsQemu()) {
    WriteIdleFirmware(dir_.File("idle.bin"));
    argv = {"qemu-system-x86_64",
            "-accel",
            "tcg",
            "-bios",
            dir_.File("idle.bin"),
            "-global",
            "virtio-mmio.force-legacy=false"};
    if (std::find(args.begin(), args.end(), "-M") == args.end() &&
        std::find(args.begin(), args.end(), "-machine") == args.end()) {
      argv.insert(argv.end(), {"-M", "microvm"});
    }
  } else {
    argv = {testing::DavitdPath(), "-accel", "qtest"};
  }
  argv.insert(argv.end(),
              {"-display", "none", "-nodefaults", "-qtest", "unix:" + dir_.File("qtest"),
               "-qtest-log", "none", "-chardev", "socket,id=qtestmon,path=" + dir_.File("qmp"),
               "-mon", "chardev=qtestmon,mode=control"});
  argv.insert(argv.end(), args.begin(), args.end());
  return argv;
}

Status Machine::Open(const std::vector<std::string>& args) {
  for (size_t i = 0; i + 1 < args.size(); ++i) {
    if (args[i] == "-M" || args[i] == "-machine") {
      type_ = args[i + 1].substr(0, args[i + 1].find(','));
      if (type_.starts_with("pc-q35")) type_ = "q35";
    }
  }
  DAVIT_ASSIGN(const UniqueFd qtest, Listen(dir_.File("qtest")));
  DAVIT_ASSIGN(const UniqueFd qmp, Listen(dir_.File("qmp")));
  DAVIT_ASSIGN(process_, testing::Process::Start(CommandLine(args), dir_.File("stderr")));
  const auto accept = [this](const UniqueFd& listener) -> Result<UniqueFd> {
    auto fd = Accept(listener.get(), *process_);
    if (!fd) return Fail(fd.error().message + "; its stderr:\n" + process_->Stderr());
    return fd;
  };
  // QEMU opens the monitor first; both sockets take a connection whenever it comes.
  DAVIT_ASSIGN(fd_, accept(qtest));
  DAVIT_ASSIGN(UniqueFd qmp_fd, accept(qmp));
  auto client = client::Client::Open(std::move(qmp_fd));
  if (!client) return Fail(client.error().message + "; its stderr:\n" + process_->Stderr());
  qmp_ = std::move(*client);
  return qmp_->Negotiate();
}

// --- the protocol -----------------------------------------------------------------------

bool Machine::TakeIrq(const std::string& line) {
  unsigned gsi = 0;
  char change[8] = {};
  if (std::sscanf(line.c_str(), "IRQ %5s %u", change, &gsi) != 2) return false;
  const bool raised = std::string_view(change) == "raise";
  if (raised && !levels_[gsi]) ++rises_[gsi];
  levels_[gsi] = raised;
  return true;
}

void Machine::ReadLine(std::string& line) {
  size_t scanned = 0;
  for (;;) {
    const size_t end = input_.find('\n', scanned);
    if (end != std::string::npos) {
      line = input_.substr(0, end);
      input_.erase(0, end + 1);
      return;
    }
    scanned = input_.size();
    pollfd polled{fd_.get(), POLLIN, 0};
    if (poll(&polled, 1, static_cast<int>(testing::kPatience.count())) <= 0) Die("no answer");
    char buffer[65536];
    const ssize_t n = read(fd_.get(), buffer, sizeof buffer);
    if (n <= 0) Die("the connection has ended");
    input_.append(buffer, static_cast<size_t>(n));
  }
}

std::string Machine::Command(const std::string& line) {
  const std::string text = line + '\n';
  for (size_t sent = 0; sent < text.size();) {
    const ssize_t n = send(fd_.get(), text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) Die("the connection has ended");
    sent += static_cast<size_t>(n);
  }
  std::string answer;
  do {
    ReadLine(answer);
  } while (TakeIrq(answer));
  return answer;
}

std::string Machine::Ok(const std::string& line) {
  const std::string answer = Command(line);
  if (answer == "OK") return {};
  if (!answer.starts_with("OK ")) Die(fmt::format("{}: {}", line.substr(0, 80), answer));
  return answer.substr(3);
}

json::Value Machine::Qmp(std::string_view command, json::Object arguments) {
  auto reply = qmp_->Execute(command, std::move(arguments));
  if (!reply) Die(fmt::format("{}: {}", command, reply.error().message));
  return *reply;
}

// --- accesses -----------------------------------------------------------------------------

namespace {

char Suffix(unsigned size) { return size == 1 ? 'b' : size == 2 ? 'w' : size == 4 ? 'l' : 'q'; }

constexpr std::string_view kDigits = "0123456789abcdef";

unsigned Digit(char c) { return static_cast<unsigned>(kDigits.find(c)); }

uint64_t Number(const std::string& text) { return std::strtoull(text.c_str(), nullptr, 0); }

}  // namespace

uint32_t Machine::In(uint16_t port, unsigned size) {
  return static_cast<uint32_t>(Number(Ok(fmt::format("in{} 0x{:x}", Suffix(size), port))));
}

void Machine::Out(uint16_t port, unsigned size, uint32_t value) {
  Ok(fmt::format("out{} 0x{:x} 0x{:x}", Suffix(size), port, value));
}

uint64_t Machine::Read(uint64_t address, unsigned size) {
  return Number(Ok(fmt::format("read{} 0x{:x}", Suffix(size), address)));
}

void Machine::Write(uint64_t address, unsigned size, uint64_t value) {
  Ok(fmt::format("write{} 0x{:x} 0x{:x}", Suffix(size), address, value));
}

std::vector<uint8_t> Machine::ReadBytes(uint64_t address, size_t size) {
  std::vector<uint8_t> bytes(size);
  if (size == 0) return bytes;
  const std::string hex = Ok(fmt::format("read 0x{:x} 0x{:x}", address, size));
  if (hex.size() != 2 + 2 * size) Die("read: an answer of another size");
  for (size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<uint8_t>(Digit(hex[2 + 2 * i]) << 4 | Digit(hex[3 + 2 * i]));
  }
  return bytes;
}

void Machine::WriteBytes(uint64_t address, std::span<const uint8_t> bytes) {
  if (bytes.empty()) return;
  std::string line = fmt::format("write 0x{:x} 0x{:x} 0x", address, bytes.size());
  for (uint8_t byte : bytes) {
    line += kDigits[byte >> 4];
    line += kDigits[byte & 15];
  }
  Ok(line);
}

void Machine::Fill(uint64_t address, uint64_t size, uint8_t value) {
  Ok(fmt::format("memset 0x{:x} 0x{:x} 0x{:x}", address, size, value));
}

uint64_t Machine::Allocate(uint64_t size, uint64_t align) {
  const uint64_t address = (next_page_ + align - 1) / align * align;
  next_page_ = address + size;
  return address;
}

// --- clock and lines ------------------------------------------------------------------------

int64_t Machine::ClockStep(int64_t ns) {
  return static_cast<int64_t>(Number(Ok(fmt::format("clock_step {}", ns))));
}
int64_t Machine::ClockStepToNextTimer() { return static_cast<int64_t>(Number(Ok("clock_step"))); }
int64_t Machine::ClockSet(int64_t ns) {
  return static_cast<int64_t>(Number(Ok(fmt::format("clock_set {}", ns))));
}

void Machine::InterceptIoapic() { Ok("irq_intercept_in ioapic"); }

bool Machine::Line(unsigned gsi) {
  Ok("endianness");  // lines that changed before come before its answer
  return levels_[gsi];
}

int Machine::Rises(unsigned gsi) {
  Ok("endianness");
  return rises_[gsi];
}

bool Machine::WaitFor(const std::function<bool()>& condition, milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    // An interrupt ends the wait early.
    pollfd polled{fd_.get(), POLLIN, 0};
    poll(&polled, 1, 1);
  }
  return true;
}

}  // namespace davit::qtest
