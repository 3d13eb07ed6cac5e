// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// -rtc as the guest reads it from its clock: where the time starts from, and which of the host's
// clocks it follows. Bounds come from the host's clock before and after, never from a guess.
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <ctime>

#include "tests/integration/common.h"
#include "tests/integration/host_view.h"

namespace davit::testing {
namespace {

using std::chrono::steady_clock;

constexpr int64_t kOneDate = 1927857906;  // 2031-02-03T04:05:06Z

double Seconds(steady_clock::duration d) { return std::chrono::duration<double>(d).count(); }

class RtcTest : public VmTest {
 protected:
  // A VM with a clock in a host with this time zone, its guest at the prompt.
  static std::unique_ptr<Vm> StartWithClock(const std::string& rtc,
                                            const std::string& zone = "UTC0") {
    auto vm = Vm::Start({.program = "env",
                         .args = {"TZ=" + zone, DavitdPath(), "-machine", "microvm,rtc=on", "-m",
                                  "64", "-rtc", rtc}});
    if (!vm) {
      ADD_FAILURE() << vm.error();
      return nullptr;
    }
    auto ready = (*vm)->serial().WaitFor("ready, h for help", kReplyTime);
    EXPECT_TRUE(ready) << ready.error();
    return ready ? std::move(*vm) : nullptr;
  }

  // What the guest's clock shows, taken for UTC: seconds since 1970.
  static int64_t GuestTime(Vm& vm) {
    EXPECT_TRUE(vm.serial().Send("i"));
    auto line = vm.serial().WaitForLine("clock: rtc ", kReplyTime);
    EXPECT_TRUE(line) << line.error();
    std::tm tm{};
    if (!line || strptime(line->c_str(), "%Y-%m-%d %H:%M:%S", &tm) == nullptr) return -1;
    return timegm(&tm);
  }
};

TEST_F(RtcTest, BaseIsUtcOrTheHostsLocalTime) {
  struct Row {
    const char* rtc;
    const char* zone;
    int64_t offset;
  };
  for (const Row& row : {Row{"base=utc", "EAST-5:45", 0}, Row{"base=localtime", "UTC0", 0},
                         Row{"base=localtime", "EAST-5:45", 5 * 3600 + 45 * 60},
                         Row{"base=localtime", "WEST3:30", -(3 * 3600 + 30 * 60)}}) {
    const int64_t before = time(nullptr);
    auto vm = StartWithClock(row.rtc, row.zone);
    ASSERT_NE(vm, nullptr);
    const int64_t guest = GuestTime(*vm) - row.offset;
    EXPECT_GE(guest, before) << row.rtc << " in " << row.zone;
    EXPECT_LE(guest, time(nullptr)) << row.rtc << " in " << row.zone;
  }
}

TEST_F(RtcTest, BaseIsADateWhateverTheZone) {
  for (const auto& [date, seconds] :
       {std::pair<std::string, int64_t>("2031-02-03T04:05:06", kOneDate),
        {"2031-02-03", kOneDate - (4 * 3600 + 5 * 60 + 6)},
        {"1999-12-31T23:59:59", 946684799}}) {
    const auto before = steady_clock::now();
    auto vm = StartWithClock("base=" + date, "EAST-5:45");
    ASSERT_NE(vm, nullptr);
    const int64_t guest = GuestTime(*vm);
    EXPECT_GE(guest, seconds) << date;
    // The guest's seconds begin with the host's, so the first one may be short.
    EXPECT_LT(guest, seconds + Seconds(steady_clock::now() - before) + 1) << date;
  }
}

TEST_F(RtcTest, DateGoesOnOverAReset) {
  auto vm = StartWithClock("base=2031-02-03T04:05:06");
  ASSERT_NE(vm, nullptr);
  const int64_t before = GuestTime(*vm);
  // The guest's own clock is what is waited for: it must not start again.
  while (GuestTime(*vm) == before) {
  }
  ASSERT_OK(vm->qmp().Execute("system_reset"));
  ASSERT_OK(vm->serial().WaitFor("ready, h for help", kReplyTime));
  EXPECT_GT(GuestTime(*vm), before);
}

// One wait for all three: a VM that is stopped for three seconds.
TEST_F(RtcTest, ClockOfTheVmStopsWithItAndTheHostsClocksDoNot) {
  struct Clock {
    const char* name;
    std::unique_ptr<Vm> vm;
    int64_t first = 0;
    steady_clock::time_point first_read, stopped, resumed;
  };
  std::array<Clock, 3> clocks{{{"vm", {}}, {"host", {}}, {"rt", {}}}};
  for (Clock& clock : clocks) {
    clock.vm = StartWithClock(std::string("base=2031-02-03T04:05:06,clock=") + clock.name);
    ASSERT_NE(clock.vm, nullptr);
    clock.first_read = steady_clock::now();
    clock.first = GuestTime(*clock.vm);
    ASSERT_OK(clock.vm->qmp().Execute("stop"));
    clock.stopped = steady_clock::now();
  }
  EXPECT_TRUE(clocks[0].vm->serial().Quiet(milliseconds(3000)));
  for (Clock& clock : clocks) {
    clock.resumed = steady_clock::now();
    ASSERT_OK(clock.vm->qmp().Execute("cont"));
    const int64_t went = GuestTime(*clock.vm) - clock.first;
    const double stopped = Seconds(clock.resumed - clock.stopped);
    const double running = Seconds(steady_clock::now() - clock.first_read) - stopped;
    ASSERT_GE(stopped, 3.0);
    // A difference of whole seconds is less than one off.
    if (std::string(clock.name) == "vm") {
      EXPECT_LT(went, running + 1) << clock.name;
    } else {
      EXPECT_GT(went, stopped - 1) << clock.name;
    }
  }
}

TEST_F(RtcTest, MistakesAreToldInQemusWords) {
  for (const auto& [rtc, text] :
       {std::pair<std::string, std::string>("base=yesterday", "invalid datetime format"),
        {"base=utc,clock=sun", "invalid option value 'sun'"},
        {"base=utc,driftfix=some", "invalid option value 'some'"},
        {"base=utc,foo=1", "Invalid parameter 'foo'"}}) {
    const RunResult result = Davitd({"-rtc", rtc});
    EXPECT_EQ(result.status, 1);
    EXPECT_TRUE(result.err.starts_with("davitd: -rtc " + rtc + ": " + text)) << result.err;
    ExpectQemuSays({"-machine", "none", "-rtc", rtc}, text);
  }
  // QEMU takes this one for the next January.
  EXPECT_CONTAINS(Davitd({"-rtc", "base=2031-13-01"}).err, "invalid datetime format");
}

}  // namespace
}  // namespace davit::testing
