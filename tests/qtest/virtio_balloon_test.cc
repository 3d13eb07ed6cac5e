// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// virtio-balloon end to end on both transports: the host's target to the driver, pages in and out,
// what QMP shows and tells, statistics on the virtual clock. Runs on QEMU, too.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/virtio/virtio.h"

namespace davit::qtest {
namespace {

constexpr uint64_t kStats = uint64_t{1} << 1, kHint = uint64_t{1} << 3, kPoison = uint64_t{1} << 4,
                   kReporting = uint64_t{1} << 5;
constexpr uint32_t kNumPages = 0, kActual = 4, kHintCommand = 8, kPoisonValue = 12;
constexpr uint64_t kMiB = 1024 * 1024;

class BalloonQtest : public ::testing::TestWithParam<bool> {
 protected:
  void Start(const std::string& properties = "", const std::string& board = "",
             const std::vector<std::string>& more = {}) {
    const std::string driver = GetParam() ? "virtio-balloon-pci" : "virtio-balloon-device";
    std::vector<std::string> args = {"-M", (GetParam() ? "q35" : "microvm") + board, "-m", "128"};
    args.insert(args.end(),
                {"-object", "iothread,id=io0", "-device", driver + ",id=balloon0" + properties});
    args.insert(args.end(), more.begin(), more.end());
    machine_ = std::make_unique<Machine>(args);
    device_ = FindVirtio(*machine_, virtio::kIdBalloon);
    ASSERT_TRUE(device_->Start());
  }
  Machine& m() { return *machine_; }
  Virtio& dev() { return *device_; }
  // A page of guest RAM full of 0xa5.
  uint64_t Page() {
    const uint64_t page = m().Allocate(4096, 4096);
    m().Fill(page, 4096, 0xa5);
    return page;
  }
  std::optional<Used> GivePages(uint16_t queue, const std::vector<uint64_t>& pages) {
    std::vector<uint8_t> numbers;
    for (uint64_t page : pages) {
      for (int i = 0; i < 4; ++i) numbers.push_back(static_cast<uint8_t>(page / 4096 >> 8 * i));
    }
    return dev().queue(queue).Do(Request().Readable(numbers));
  }
  bool IsZero(uint64_t page) { return m().ReadBytes(page, 4096) == std::vector<uint8_t>(4096, 0); }
  json::Value Actual() { return m().Qmp("query-balloon")["actual"]; }

 private:
  std::unique_ptr<Machine> machine_;
  std::unique_ptr<Virtio> device_;
};

TEST_P(BalloonQtest, TargetReachesTheDriverAndItsAnswerTheHost) {
  Start();
  EXPECT_EQ(dev().Config<uint32_t>(kNumPages), 0U);
  EXPECT_EQ(Actual(), json::Value(static_cast<int64_t>(128 * kMiB)));
  m().Qmp("balloon", {{"value", static_cast<int64_t>(64 * kMiB)}});
  EXPECT_TRUE(m().WaitFor([&] { return dev().TakeConfigInterrupt(); }));
  EXPECT_EQ(dev().Config<uint32_t>(kNumPages), 64 * kMiB / 4096);
  dev().WriteConfig(kActual, 4, 64 * kMiB / 4096);
  auto event = m().qmp().WaitEvent("BALLOON_CHANGE");
  ASSERT_TRUE(event) << event.error();
  EXPECT_EQ(event->data["actual"], json::Value(static_cast<int64_t>(64 * kMiB)));
  EXPECT_EQ(Actual(), json::Value(static_cast<int64_t>(64 * kMiB)));
}

TEST_P(BalloonQtest, InflatedPagesAreGoneAndDeflatedOnesUsable) {
  Start();
  const uint64_t a = Page(), between = Page(), b = Page();
  auto used = GivePages(0, {a, b});
  ASSERT_TRUE(used);
  EXPECT_EQ(used->length, 0U);
  EXPECT_TRUE(IsZero(a));
  EXPECT_TRUE(IsZero(b));
  EXPECT_EQ(m().Read(between + 4095, 1), 0xa5U);
  ASSERT_TRUE(GivePages(1, {b, a}));
  m().Write32(a, 7);
  EXPECT_EQ(m().Read32(a), 7U);
}

// Memory that is a file has holes there afterwards: its blocks are the host's again.
TEST_P(BalloonQtest, InflatingMakesHolesInTheFile) {
  const UniqueFd file(memfd_create("ram", MFD_CLOEXEC));
  ASSERT_EQ(ftruncate(file.get(), 128 * kMiB), 0);
  Start("", ",memory-backend=ram",
        {"-object", "memory-backend-file,id=ram,size=128M,share=on,mem-path=/proc/" +
                        std::to_string(getpid()) + "/fd/" + std::to_string(file.get())});
  const auto pages = [&] {
    struct stat now {};
    EXPECT_EQ(fstat(file.get(), &now), 0);
    return now.st_blocks * 512 / 4096;
  };
  const uint64_t a = Page(), b = Page(), c = Page();
  const auto before = pages();
  ASSERT_TRUE(GivePages(0, {a, c}));
  EXPECT_LT(pages(), before) << "one page may be new, with the request";
  EXPECT_TRUE(IsZero(a));
  EXPECT_FALSE(IsZero(b));
}

TEST_P(BalloonQtest, PagesThatAreNoneHurtNobody) {
  Start();
  const uint64_t page = Page();
  ASSERT_TRUE(GivePages(0, {0xc0000000, 0xfee00000, uint64_t{0xffffffff} * 4096, 128 * kMiB}));
  ASSERT_TRUE(GivePages(0, {page, page, page}));
  ASSERT_TRUE(GivePages(1, {page, uint64_t{0xffffffff} * 4096}));
  // Half a number.
  const std::vector<uint8_t> odd = {1, 2, 3};
  dev().queue(0).Add(Request().Readable(odd));
  dev().queue(0).Kick();
  EXPECT_EQ(m().Command("endianness"), "OK little");
  ASSERT_TRUE(dev().Start());
  ASSERT_TRUE(GivePages(0, {page}));
}

TEST_P(BalloonQtest, TargetOutlivesAReset) {
  Start();
  m().Qmp("balloon", {{"value", static_cast<int64_t>(100 * kMiB)}});
  ASSERT_TRUE(dev().Start());
  EXPECT_EQ(dev().Config<uint32_t>(kNumPages), 28 * kMiB / 4096);
}

TEST_P(BalloonQtest, ReportedPagesAreGivenBack) {
  Start(",free-page-reporting=on");
  ASSERT_TRUE(dev().Has(kReporting));
  const uint64_t page = Page(), next = Page();
  // Behind inflate, deflate and statistics.
  ASSERT_TRUE(dev().queue(3).Do(Request().At(page, 4096, true)));
  EXPECT_TRUE(IsZero(page));
  EXPECT_EQ(m().Read(next, 1), 0xa5U);
}

// A kernel that poisons free pages reads them again: they are not given back then. Whether it does
// is what it last said with the feature, until the reset.
TEST_P(BalloonQtest, PoisonedPagesAreKept) {
  Start(",free-page-reporting=on");
  const auto report = [&] {
    const uint64_t page = Page();
    EXPECT_TRUE(dev().queue(3).Do(Request().At(page, 4096, true)));
    return page;
  };
  ASSERT_TRUE(dev().Has(kPoison));
  dev().WriteConfig(kPoisonValue, 4, 0xa5a5a5a5);
  EXPECT_EQ(dev().Config<uint32_t>(kPoisonValue), 0xa5a5a5a5U);
  EXPECT_FALSE(IsZero(report()));
  ASSERT_TRUE(dev().Start());
  EXPECT_EQ(dev().Config<uint32_t>(kPoisonValue), 0U);
  EXPECT_TRUE(IsZero(report()));
  ASSERT_TRUE(dev().Start({.features = ~kPoison}));
  dev().WriteConfig(kPoisonValue, 4, 0xa5a5a5a5);
  EXPECT_TRUE(IsZero(report()));
}

// Free pages are asked for when a VM moves. Until then the command is "stop", and what a driver
// says all the same is taken and given back with its pages as they were (virtio 1.2, 5.5.6.5).
TEST_P(BalloonQtest, HintsUnaskedForAreGivenBackAndThePagesKept) {
  Start(",free-page-hint=on,iothread=io0");
  ASSERT_TRUE(dev().Has(kHint));
  EXPECT_EQ(dev().Config<uint32_t>(kHintCommand), 0U);
  const uint64_t page = Page();
  Queue& hints = dev().queue(3);
  ASSERT_TRUE(hints.Do(Request().Struct(uint32_t{0x80000000})));
  ASSERT_TRUE(hints.Do(Request().At(page, 4096, true)));
  ASSERT_TRUE(hints.Do(Request().Struct(uint32_t{1})));
  EXPECT_EQ(m().Read(page, 8), 0xa5a5a5a5a5a5a5a5U);
  dev().WriteConfig(kHintCommand, 4, 7);  // the device's
  EXPECT_EQ(dev().Config<uint32_t>(kHintCommand), 0U);
  EXPECT_FALSE(dev().NeedsReset());
}

TEST_P(BalloonQtest, StatisticsArePolledInTheGuestsTime) {
  if (Machine::IsQemu()) GTEST_SKIP() << "QEMU's package has no accelerator qtest";
  Start();
  ASSERT_TRUE(dev().Has(kStats));
  struct __attribute__((packed)) {
    uint16_t tag = 4;  // free memory
    uint64_t value = 12345678;
  } const free_memory;
  Queue& stats = dev().queue(2);
  stats.Add(Request().Struct(free_memory));
  stats.Kick();
  EXPECT_FALSE(stats.Take());
  const json::Object path = {{"path", "/machine/peripheral/balloon0"},
                             {"property", "guest-stats-polling-interval"}};
  json::Object set = path;
  set.Set("value", 2);
  m().Qmp("qom-set", set);
  ASSERT_TRUE(stats.Wait());  // at once, then each time 2 s after an answer
  stats.Add(Request().Struct(free_memory));
  stats.Kick();
  m().ClockStep(1'999'999'999);
  EXPECT_FALSE(stats.Take());
  m().ClockStep(1);
  EXPECT_TRUE(stats.Take());
  json::Object get = path;
  get.Set("property", "guest-stats");
  const json::Value answer = m().Qmp("qom-get", get);
  EXPECT_EQ(answer["stats"]["stat-free-memory"], json::Value(12345678)) << "no statistics";
}

INSTANTIATE_TEST_SUITE_P(Transports, BalloonQtest, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "Pci" : "Mmio"; });

}  // namespace
}  // namespace davit::qtest
