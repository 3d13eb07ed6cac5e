// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The time of `virsh start` until the domain runs, with davitd and with Debian's QEMU as the
// emulators of else equal domains of one libvirtd, by turns. Prints a row; fails when it misses its
// bar.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "tests/libvirt/domain_xml.h"
#include "tests/libvirt/isolation.h"
#include "tests/libvirt/libvirt_host.h"

namespace davit::bench {
namespace {

namespace fs = std::filesystem;
using davit::testing::LibvirtHost;
using davit::testing::Virsh;

constexpr int kRounds = 15;
constexpr double kBar = 0.7;  // of the median of the rounds' ratios
constexpr char kQemu[] = "/usr/bin/qemu-system-x86_64";

Status Must(std::vector<std::string> arguments) {
  const std::string what = arguments[0] + " " + arguments[1];
  const davit::testing::RunResult result = Virsh(std::move(arguments));
  if (result.status == 0) return {};
  return Fail(what + ": " + result.err);
}

Status Define(const LibvirtHost& host, const std::string& name, const std::string& emulator) {
  davit::testing::DomainXml domain{.name = name, .emulator = emulator};
  domain.boot = davit::testing::Kernel(host.File("kernel"));
  // QEMU sets this register whether or not KVM can take it, and ends where it can not.
  domain.cpu =
      "<cpu mode='host-passthrough'><feature policy='disable' name='arch-capabilities'/></cpu>";
  const std::string disk = host.File(name + ".raw");
  std::ofstream{disk};
  fs::resize_file(disk, 1 << 20);
  domain.devices = davit::testing::RawDisk(disk, "vda") + davit::testing::kBalloon;
  const std::string xml = host.File(name + ".xml");
  std::ofstream(xml) << ToXml(domain);
  return Must({"define", xml});
}

// Milliseconds, virsh's own start and end included. The domain is off before and after.
Result<double> Start(const std::string& name) {
  const auto before = std::chrono::steady_clock::now();
  DAVIT_TRY(Must({"start", name}));
  const std::chrono::duration<double, std::milli> taken = std::chrono::steady_clock::now() - before;
  const davit::testing::RunResult state = Virsh({"domstate", name});
  if (!state.out.starts_with("running")) return Fail(name + " is " + state.out);
  DAVIT_TRY(Must({"destroy", name}));
  return taken.count();
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

Status Measure() {
  DAVIT_ASSIGN(const auto host, LibvirtHost::Start());
  fs::copy_file(fs::canonical("tests/guest/probe/probe.bzImage"), host->File("kernel"));
  DAVIT_TRY(Define(*host, "davit", host->emulator()));
  DAVIT_TRY(Define(*host, "qemu", kQemu));
  // libvirt asks each emulator what it is able to do, once.
  DAVIT_TRY(Start("davit"));
  DAVIT_TRY(Start("qemu"));
  std::vector<double> davit, qemu, ratios;
  for (int i = 0; i < kRounds; ++i) {
    // Who is first changes with each round.
    if (i % 2 == 1) {
      DAVIT_ASSIGN(const double first, Start("qemu"));
      qemu.push_back(first);
    }
    DAVIT_ASSIGN(const double mine, Start("davit"));
    davit.push_back(mine);
    if (i % 2 == 0) {
      DAVIT_ASSIGN(const double second, Start("qemu"));
      qemu.push_back(second);
    }
    ratios.push_back(davit.back() / qemu.back());
  }
  const double ratio = Median(ratios);
  fmt::print("virsh start to running (ms) | {:.1f} | {:.1f} | {:.2f} | <= {} | {}\n", Median(davit),
             Median(qemu), ratio, kBar, ratio <= kBar ? "yes" : "NO");
  fmt::print("ratios of the rounds: {:.2f}\n", fmt::join(ratios, " "));
  if (ratio > kBar) return Fail("the ratio misses its bar");
  return {};
}

std::string why_not;  // empty: it can be measured

TEST(LibvirtStart, TakesLessTimeThanWithQemu) {
  if (!why_not.empty()) GTEST_SKIP() << why_not;
  const Status measured = Measure();
  ASSERT_TRUE(measured) << measured.error();
}

}  // namespace
}  // namespace davit::bench

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  std::string& why = davit::bench::why_not;
  why = davit::testing::WhyNoLibvirt();
  if (access(davit::bench::kQemu, X_OK) != 0) why = "there is no QEMU to compare with";
  if (why.empty()) {
    auto status = davit::testing::RunIsolated([] { return RUN_ALL_TESTS(); });
    if (status) return *status;
    why = status.error().message;
  }
  return RUN_ALL_TESTS();  // skipped
}
