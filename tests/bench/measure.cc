// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0

#include "tests/bench/measure.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <sstream>

#include "tests/support/vm.h"

namespace davit::bench {
namespace {

using Clock = std::chrono::steady_clock;
using testing::Vm;
using testing::VmOptions;

constexpr testing::milliseconds kTimeout{120'000};
constexpr std::string_view kCommand = "{\"execute\":\"query-status\"}\n";

double Median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

double Milliseconds(Clock::time_point since) {
  return std::chrono::duration<double, std::milli>(Clock::now() - since).count();
}

Result<std::unique_ptr<Vm>> Start(const Subject& subject, bool guest, bool negotiate = true) {
  VmOptions options;
  options.program = subject.argv[0];
  options.args.assign(subject.argv.begin() + 1, subject.argv.end());
  if (guest) {
    options.args.insert(options.args.end(), subject.kernel.begin(), subject.kernel.end());
  } else {
    options.args.push_back("-S");
  }
  options.serial_stdio = guest;
  options.negotiate = negotiate;
  options.timeout = kTimeout;
  return Vm::Start(std::move(options));
}

// Blocking reads of whatever comes; counts newlines, each ends a reply.
Result<long> ReadReplies(int fd) {
  char buffer[65536];
  const ssize_t n = read(fd, buffer, sizeof buffer);
  if (n <= 0) return Fail("the QMP connection ended");
  return std::count(buffer, buffer + n, '\n');
}

Status WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return FailErrno("send");
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return {};
}

void SetBlocking(int fd, bool blocking) {
  const int flags = fcntl(fd, F_GETFL);
  fcntl(fd, F_SETFL, blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK);
}

// Writes `count` commands as fast as the server takes them and reads as they come.
Result<double> PipelineOnce(int fd, int count) {
  std::string batch;
  for (int i = 0; i < 500; ++i) batch += kCommand;
  const size_t total = batch.size() * static_cast<size_t>(count / 500);
  const long expected = count / 500 * 500;
  size_t written = 0;
  long replies = 0;
  const auto start = Clock::now();
  while (replies < expected) {
    pollfd p{fd, static_cast<short>(POLLIN | (written < total ? POLLOUT : 0)), 0};
    if (poll(&p, 1, 30'000) <= 0) return Fail("the pipeline stands still");
    if ((p.revents & POLLOUT) != 0) {
      const size_t at = written % batch.size();
      const ssize_t n = send(fd, batch.data() + at, batch.size() - at, MSG_NOSIGNAL);
      if (n < 0 && errno != EAGAIN) return FailErrno("send");
      if (n > 0) written += static_cast<size_t>(n);
    }
    if ((p.revents & (POLLIN | POLLHUP)) != 0) {
      DAVIT_ASSIGN(const long more, ReadReplies(fd));
      replies += more;
    }
  }
  return static_cast<double>(expected) / Milliseconds(start) * 1000;
}

}  // namespace

Result<double> StartToGreeting(const Subject& subject, int runs) {
  std::vector<double> values;
  for (int i = 0; i < runs; ++i) {
    const auto start = Clock::now();
    DAVIT_ASSIGN(const auto vm, Start(subject, false, false));
    values.push_back(Milliseconds(start));
  }
  return Median(std::move(values));
}

Result<double> RoundTrip(const Subject& subject, int count) {
  DAVIT_ASSIGN(const auto vm, Start(subject, false));
  const int fd = vm->qmp().fd();
  SetBlocking(fd, true);
  std::vector<double> values;
  for (int i = 0; i < count; ++i) {
    const auto start = Clock::now();
    DAVIT_TRY(WriteAll(fd, kCommand));
    for (long replies = 0; replies == 0;) {
      DAVIT_ASSIGN(replies, ReadReplies(fd));
    }
    values.push_back(Milliseconds(start) * 1000);
  }
  return Median(std::move(values));
}

Result<double> PipelinedRate(const Subject& subject, int count) {
  DAVIT_ASSIGN(const auto vm, Start(subject, false));
  const int fd = vm->qmp().fd();
  SetBlocking(fd, false);
  double best = 0;
  for (int i = 0; i < 3; ++i) {
    DAVIT_ASSIGN(const double rate, PipelineOnce(fd, count));
    best = std::max(best, rate);
  }
  return best;
}

Result<double> StartToGuest(const Subject& subject, const std::string& text, int runs) {
  std::vector<double> values;
  for (int i = 0; i < runs; ++i) {
    const auto start = Clock::now();
    DAVIT_ASSIGN(const auto vm, Start(subject, true));
    DAVIT_ASSIGN(const std::string line, vm->serial().WaitFor(text, kTimeout));
    values.push_back(Milliseconds(start));
  }
  return Median(std::move(values));
}

Result<double> PrivateMemory(const Subject& subject, const std::string& text, uint64_t ram) {
  DAVIT_ASSIGN(const auto vm, Start(subject, true));
  DAVIT_ASSIGN(const std::string line, vm->serial().WaitFor(text, kTimeout));
  std::istringstream smaps(
      testing::ReadFile("/proc/" + std::to_string(vm->process().pid()) + "/smaps"));
  uint64_t total = 0;
  bool is_ram = false;
  for (std::string row; std::getline(smaps, row);) {
    const size_t colon = row.find(": ");
    const uint64_t kib =
        colon == std::string::npos ? 0 : std::strtoull(&row[colon + 1], nullptr, 10);
    if (row.starts_with("Size:")) is_ram = kib * 1024 >= ram;
    if (!is_ram && row.starts_with("Private_")) total += kib;
  }
  if (total == 0) return Fail("no smaps of " + subject.argv[0]);
  return static_cast<double>(total) / 1024;
}

}  // namespace davit::bench
