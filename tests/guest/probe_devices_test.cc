// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Virtio devices driven by the probe guest's own drivers on real vCPUs, on virtio-mmio (microvm)
// and on PCI Express (q35).
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "tests/guest/guest_vm.h"

namespace davit::testing {
namespace {

constexpr uint64_t kMiB = 1 << 20;

struct Board {
  const char* name;
  const char* suffix;  // of the devices that go on its bus
};

class ProbeGuestDevices : public ::testing::TestWithParam<Board> {
 protected:
  void SetUp() override {
    if (std::string why = WhyNoKvm(); !why.empty()) GTEST_SKIP() << why;
    if (VmmIsQemu()) GTEST_SKIP() << "davit's own: QEMU's boards are booted by firmware";
  }
  // "virtio-rng" and the options -> an argument of -device.
  static std::string Device(const std::string& name, const std::string& options = "") {
    return name + GetParam().suffix + options;
  }
  static std::unique_ptr<Vm> Start(Args more) {
    VmOptions options;
    options.args = {"-machine", GetParam().name, "-nodefaults", "-display", "none"};
    options.args.insert(options.args.end(), more.begin(), more.end());
    auto vm = Vm::Start(std::move(options));
    if (!vm) {
      ADD_FAILURE() << vm.error();
      return nullptr;
    }
    if (auto ready = (*vm)->serial().WaitFor("ready, h for help", kReplyTime); !ready) {
      ADD_FAILURE() << ready.error() << (*vm)->process().Stderr();
      return nullptr;
    }
    return std::move(*vm);
  }
  static int64_t Actual(Vm& vm) {
    auto reply = vm.qmp().Execute("query-balloon");
    EXPECT_TRUE(reply) << reply.error();
    const int64_t* actual = reply ? (*reply)["actual"].AsInt() : nullptr;
    return actual != nullptr ? *actual : -1;
  }
  static void SetTarget(Vm& vm, uint64_t bytes) {
    ASSERT_OK(vm.qmp().Execute("balloon", json::Object{{"value", static_cast<int64_t>(bytes)}}));
  }
  // Bytes of RAM that the process holds, shared memory included.
  static uint64_t ResidentBytes(Vm& vm) {
    std::ifstream in("/proc/" + std::to_string(vm.process().pid()) + "/status");
    std::string line;
    while (std::getline(in, line)) {
      if (line.starts_with("VmRSS:")) return std::strtoull(line.c_str() + 6, nullptr, 10) * 1024;
    }
    return 0;
  }
};

TEST_P(ProbeGuestDevices, BalloonFollowsItsTargetBothWays) {
  auto vm = Start({"-m", "256", "-device", Device("virtio-balloon", ",id=b0")});
  ASSERT_NE(vm, nullptr);
  EXPECT_EQ(Actual(*vm), 256 * kMiB);
  SetTarget(*vm, 128 * kMiB);
  ASSERT_OK(vm->serial().WaitForLine("balloon: 32768 pages of 32768", kReplyTime));
  auto event = vm->qmp().WaitEvent("BALLOON_CHANGE", kReplyTime);
  ASSERT_TRUE(event) << event.error();
  EXPECT_EQ(event->data["actual"], json::Value(int64_t{128 * kMiB}));
  EXPECT_EQ(Actual(*vm), 128 * kMiB);
  SetTarget(*vm, 256 * kMiB);
  ASSERT_OK(vm->serial().WaitForLine("balloon: 0 pages of 0", kReplyTime));
  EXPECT_EQ(Actual(*vm), 256 * kMiB);
}

TEST_P(ProbeGuestDevices, InflatingGivesTheHostItsMemoryBack) {
  for (const char* share : {"off", "on"}) {
    auto vm =
        Start({"-m", "256", "-object",
               std::string("memory-backend-memfd,id=ram,size=256M,prealloc=on,share=") + share,
               "-machine", std::string(GetParam().name) + ",memory-backend=ram", "-device",
               Device("virtio-balloon")});
    ASSERT_NE(vm, nullptr);
    const uint64_t before = ResidentBytes(*vm);
    ASSERT_GT(before, 250 * kMiB);
    SetTarget(*vm, 56 * kMiB);
    ASSERT_OK(vm->serial().WaitForLine("balloon: 51200 pages of 51200", kReplyTime));
    EXPECT_LT(ResidentBytes(*vm), before - 200 * kMiB * 9 / 10) << "share=" << share;
  }
}

TEST_P(ProbeGuestDevices, BalloonTargetSurvivesReset) {
  auto vm = Start({"-m", "256", "-device", Device("virtio-balloon")});
  ASSERT_NE(vm, nullptr);
  SetTarget(*vm, 128 * kMiB);
  ASSERT_OK(vm->serial().WaitForLine("balloon: 32768 pages of 32768", kReplyTime));
  ASSERT_OK(vm->qmp().Execute("system_reset"));
  ASSERT_OK(vm->serial().WaitFor("ready, h for help", kReplyTime));
  ASSERT_OK(vm->serial().WaitForLine("balloon: 32768 pages of 32768", kReplyTime));
}

TEST_P(ProbeGuestDevices, TargetOfAPausedGuestIsReachedLater) {
  auto vm = Start({"-m", "256", "-device", Device("virtio-balloon")});
  ASSERT_NE(vm, nullptr);
  ASSERT_OK(vm->qmp().Execute("stop"));
  SetTarget(*vm, 192 * kMiB);
  EXPECT_EQ(Actual(*vm), 256 * kMiB);
  ASSERT_OK(vm->qmp().Execute("cont"));
  ASSERT_OK(vm->serial().WaitForLine("balloon: 16384 pages of 16384", kReplyTime));
}

TEST_P(ProbeGuestDevices, RandomNumbersArrive) {
  auto vm = Start({"-device", Device("virtio-rng")});
  ASSERT_NE(vm, nullptr);
  EXPECT_EQ(Ask(*vm, "g", "rng: 64 bytes, ").find("0 distinct"), std::string::npos);
  ASSERT_OK(vm->serial().WaitForLine("rng: ok", kReplyTime));
}

INSTANTIATE_TEST_SUITE_P(Boards, ProbeGuestDevices,
                         ::testing::Values(Board{"microvm", "-device"}, Board{"q35", "-pci"}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace davit::testing
