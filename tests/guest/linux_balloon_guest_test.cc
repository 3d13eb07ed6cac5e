// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The balloon under Debian's virtio_balloon: the data flow from num_pages to `actual` and
// BALLOON_CHANGE, memory that the host really gets back, statistics, and what the driver does by
// itself: it deflates rather than let a process die, and reports what is free.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "tests/guest/linux_devices.h"

namespace davit::testing {
namespace {

constexpr milliseconds kBalloonTime{60'000};  // of 768 MiB, twice emulated

class LinuxGuestBalloon : public LinuxDevicesTest {
 protected:
  // A process of the guest writes this much memory and holds it.
  std::string Touch(uint64_t mib) {
    EXPECT_TRUE(vm().serial().Send("touch " + std::to_string(mib) + "\n"));
    auto line = vm().serial().WaitForLine("init: touch ", kBalloonTime);
    EXPECT_TRUE(line) << line.error();
    return line ? *line : "";
  }
  void Free() { EXPECT_EQ(Ask(vm(), "free\n", "init: free "), "done"); }

  // The balloon gets this target; the sizes of BALLOON_CHANGE up to the one that says so.
  std::vector<int64_t> Reach(int64_t target) {
    SetBalloon(vm(), static_cast<uint64_t>(target));
    std::vector<int64_t> sizes;
    while (sizes.empty() || sizes.back() != target) {
      auto event = vm().qmp().WaitEvent("BALLOON_CHANGE", kBalloonTime);
      EXPECT_TRUE(event) << event.error();
      const int64_t* actual = event ? event->data["actual"].AsInt() : nullptr;
      if (actual == nullptr) break;
      sizes.push_back(*actual);
    }
    return sizes;
  }
  json::Value Stats() {
    auto stats = vm().qmp().Execute(
        "qom-get",
        json::Object{{"path", "/machine/peripheral/balloon0"}, {"property", "guest-stats"}});
    EXPECT_TRUE(stats) << stats.error();
    return stats ? *stats : json::Value();
  }
};

// On q35 from 1 GiB to 256 MiB.
TEST_P(LinuxGuestBalloon, MemoryGoesToTheHostAndComesBack) {
  constexpr int64_t kSmall = 256 * kMiB;
  const int64_t ram = static_cast<int64_t>(GetParam().ram_mib * kMiB), given = ram - kSmall;
  EXPECT_EQ(BalloonActual(vm()), ram);
  // Nearly all of the guest's memory is the process's, too.
  ASSERT_EQ(Touch(AvailableMiB() - 32), "done");
  Free();
  const int64_t before = static_cast<int64_t>(ResidentBytes(vm()));

  const std::vector<int64_t> down = Reach(kSmall);
  EXPECT_TRUE(std::is_sorted(down.rbegin(), down.rend())) << ::testing::PrintToString(down);
  EXPECT_EQ(BalloonActual(vm()), kSmall);
  const int64_t after = static_cast<int64_t>(ResidentBytes(vm()));
  EXPECT_LE(after, before - given * 9 / 10) << "of " << before;
  EXPECT_LT(AvailableMiB(), 256u);

  const std::vector<int64_t> up = Reach(ram);
  EXPECT_TRUE(std::is_sorted(up.begin(), up.end())) << ::testing::PrintToString(up);
  EXPECT_EQ(BalloonActual(vm()), ram);
  EXPECT_EQ(Touch(300), "done");
  EXPECT_GE(static_cast<int64_t>(ResidentBytes(vm())), after + 100 * kMiB);
  Free();
}

TEST_P(LinuxGuestBalloon, StatisticsArriveOnceAnIntervalIsSet) {
  // The driver sends some by itself when it starts.
  const auto updated = [&] { return *Stats()["last-update"].AsInt(); };
  const int64_t at_start = updated();
  EXPECT_GT(at_start, 0);
  ASSERT_OK(vm().qmp().Execute("qom-set", json::Object{{"path", "/machine/peripheral/balloon0"},
                                                       {"property", "guest-stats-polling-interval"},
                                                       {"value", 1}}));
  ASSERT_TRUE(Eventually([&] { return updated() > at_start; })) << "no answer";
  const int64_t first = updated();
  ASSERT_TRUE(Eventually([&] { return updated() > first; })) << "no second answer";
  const json::Value stats = Stats();
  const int64_t total = *stats["stats"]["stat-total-memory"].AsInt();
  const int64_t available = *stats["stats"]["stat-available-memory"].AsInt();
  EXPECT_EQ(total / 1024,
            NumberAfter(Shell("awk '/MemTotal/{print \"kib\", $2}' /proc/meminfo"), "kib"));
  EXPECT_LT(available, total);
  EXPECT_NEAR(static_cast<double>(available) / kMiB, static_cast<double>(AvailableMiB()), 64);
  EXPECT_GT(*stats["stats"]["stat-minor-faults"].AsInt(), 0);
}

INSTANTIATE_TEST_SUITE_P(Boards, LinuxGuestBalloon, ::testing::ValuesIn(kLinuxBoards), BoardName);

class LinuxGuestFreeHanded : public LinuxGuestBalloon {
 protected:
  LinuxDevices* Guest() override { return FreeHandedGuest(GetParam()); }
};

TEST_P(LinuxGuestFreeHanded, FreedMemoryComesBackUnasked) {
  constexpr uint64_t kTouched = 300;
  ASSERT_EQ(Touch(kTouched), "done");
  const uint64_t before = ResidentBytes(vm());
  EXPECT_GT(before, kTouched * kMiB);
  Free();
  const auto fallen = [&] { return ResidentBytes(vm()) < before - kTouched * kMiB * 9 / 10; };
  EXPECT_TRUE(Eventually(fallen, kBalloonTime)) << ResidentBytes(vm()) << " of " << before;
}

// The balloon holds what the process needs.
TEST_P(LinuxGuestFreeHanded, DeflatesRatherThanLetAProcessDie) {
  constexpr int64_t kSmall = 320 * kMiB;
  Reach(kSmall);
  EXPECT_EQ(Touch(AvailableMiB() + 32), "done");
  EXPECT_GT(BalloonActual(vm()), kSmall);
  Free();
}

INSTANTIATE_TEST_SUITE_P(Boards, LinuxGuestFreeHanded, ::testing::ValuesIn(kLinuxBoards),
                         BoardName);

}  // namespace
}  // namespace davit::testing
