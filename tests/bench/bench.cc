// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// davitd beside QEMU's microvm and q35 in one run, as a Markdown table with the ratio of davitd to
// the better of the two. Exit status 1 when a row misses its bar.
//
//   bench PROBE_ELF        all rows, the guest is the probe guest (any host with /dev/kvm)
//   bench --linux DIR      start to the init of Debian's kernel in DIR (the lab, or hardware KVM)
//   bench --devices DIR DISK DISK
//                          devices under load by a Linux guest; davitd and QEMU get a DISK each

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "tests/bench/device_table.h"
#include "tests/bench/measure.h"
#include "tests/support/vm.h"

namespace davit::bench {
namespace {

constexpr uint64_t kRam = uint64_t{256} << 20;

struct Row {
  const char* name;
  const char* unit;
  bool more_is_better;
  double bar;  // on the ratio, or on davitd's own figure when `absolute`
  bool absolute;
  std::function<Result<double>(const Subject&)> measure;
};

std::vector<Subject> Subjects(const std::vector<std::string>& kernel) {
  const std::vector<std::string> common = {"-accel",   "kvm",  "-nodefaults", "-no-user-config",
                                           "-display", "none", "-m",          "256"};
  const char* qemu = std::getenv("DAVIT_QEMU");
  const std::string other = qemu == nullptr ? "qemu-system-x86_64" : qemu;
  std::vector<Subject> subjects = {
      {"davitd", {testing::DavitdPath(), "-machine", "microvm"}, kernel},
      {"QEMU microvm", {other, "-machine", "microvm,acpi=on"}, kernel},
      {"QEMU q35", {other, "-machine", "q35"}, kernel},
  };
  for (Subject& s : subjects) s.argv.insert(s.argv.end(), common.begin(), common.end());
  return subjects;
}

std::string BarText(const Row& row) {
  char text[64];
  const char* sign = row.more_is_better ? ">=" : "<";
  if (row.absolute) {
    std::snprintf(text, sizeof text, "%s %.3g %s", sign, row.bar, row.unit);
  } else {
    std::snprintf(text, sizeof text, "%s %.3gx", sign, row.bar);
  }
  return text;
}

// Prints the row; whether the bar is met.
bool RunRow(const Row& row, const std::vector<Subject>& subjects) {
  std::vector<double> values;
  for (const Subject& subject : subjects) {
    auto value = row.measure(subject);
    if (!value) {
      std::fprintf(stderr, "bench: %s, %s: %s\n", row.name, subject.name.c_str(),
                   value.error().message.c_str());
      return false;
    }
    values.push_back(*value);
  }
  const double other =
      row.more_is_better ? std::max(values[1], values[2]) : std::min(values[1], values[2]);
  const double ratio = values[0] / other;
  const double figure = row.absolute ? values[0] : ratio;
  const bool met = row.more_is_better ? figure >= row.bar : figure < row.bar;
  std::printf("| %s (%s) | %.4g | %.4g | %.4g | %.2fx | %s | %s |\n", row.name, row.unit, values[0],
              values[1], values[2], ratio, BarText(row).c_str(), met ? "yes" : "NO");
  std::fflush(stdout);
  return met;
}

int RunTable(const std::vector<Row>& rows, const std::vector<Subject>& subjects) {
  std::printf("| | davitd | QEMU microvm | QEMU q35 | davitd / better QEMU | bar | met |\n");
  std::printf("|---|---|---|---|---|---|---|\n");
  bool all = true;
  for (const Row& row : rows) all = RunRow(row, subjects) && all;
  return all ? 0 : 1;
}

int RunProbe(const char* elf) {
  const std::string text = "ready, h for help";
  return RunTable(
      {
          {"start to greeting", "ms", false, 0.2, false,
           [](const Subject& s) { return StartToGreeting(s, 15); }},
          {"query-status round trip", "us", false, 1, false,
           [](const Subject& s) { return RoundTrip(s, 3000); }},
          {"query-status pipelined", "1/s", true, 10, false,
           [](const Subject& s) { return PipelinedRate(s, 10'000); }},
          {"start to guest (probe guest ready)", "ms", false, 1, false,
           [text](const Subject& s) { return StartToGuest(s, text, 5); }},
          {"private memory beyond guest RAM", "MiB", false, 8, true,
           [text](const Subject& s) { return PrivateMemory(s, text, kRam); }},
      },
      Subjects({"-kernel", elf}));
}

int RunLinux(const std::string& dir) {
  const std::string text = "init: up";
  return RunTable(
      {
          {"start to guest (init of Debian's kernel)", "ms", false, 1, false,
           [text](const Subject& s) { return StartToGuest(s, text, 3); }},
          {"private memory beyond guest RAM, Linux guest", "MiB", false, 8, true,
           [text](const Subject& s) { return PrivateMemory(s, text, kRam); }},
      },
      Subjects({"-kernel", dir + "/vmlinuz", "-initrd", dir + "/initramfs", "-append",
                "console=ttyS0 quiet panic=-1", "-cpu", "host"}));
}

}  // namespace
}  // namespace davit::bench

int main(int argc, char** argv) {
  if (argc == 3 && std::strcmp(argv[1], "--linux") == 0) return davit::bench::RunLinux(argv[2]);
  if (argc == 5 && std::strcmp(argv[1], "--devices") == 0) {
    return davit::bench::RunDevices(argv[2], argv[3], argv[4]);
  }
  if (argc == 2) return davit::bench::RunProbe(argv[1]);
  std::fprintf(stderr, "usage: bench PROBE_ELF | --linux DIR | --devices DIR DISK DISK\n");
  return 2;
}
