// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Guest RAM in huge pages of 2 MiB and 1 GiB, from a memfd and from a hugetlbfs. What needs pages
// takes them from the host for one test and skips where the host has none to give; a pool that is
// too small is an error on every host. Pools are the host's: no other test may run meanwhile.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "tests/integration/common.h"
#include "tests/integration/host_view.h"
#include "tests/support/virtio/machine.h"

namespace davit::testing {
namespace {

using json::Value;

struct PageSize {
  uint64_t kib;
  const char* name;  // for mount and hugetlbsize=
  const char* ram;   // a size for the guest, a whole number of pages
  uint64_t ram_kib;
  int pages;
};
std::ostream& operator<<(std::ostream& out, const PageSize& page) { return out << page.name; }

constexpr PageSize kTwoMiB{2048, "2M", "66M", 66 << 10, 33};
constexpr PageSize kOneGiB{1 << 20, "1G", "1G", 1 << 20, 1};

class HugePagesTest : public VmTest, public ::testing::WithParamInterface<PageSize> {
 protected:
  // A guest whose RAM is this object of id "m".
  static std::unique_ptr<Vm> Start(const std::string& object, const PageSize& page) {
    return StartReady({"-object", object + ",id=m,size=" + page.ram, "-machine", "memory-backend=m",
                       "-m", page.ram});
  }

  static void ExpectRamOfPages(Vm& vm, const PageSize& page) {
    const auto ram = MappingOfSize(vm.process().pid(), page.ram_kib);
    ASSERT_TRUE(ram.has_value());
    EXPECT_EQ(ram->page_kib, page.kib);
    EXPECT_TRUE(ram->Has("ht"));
    ASSERT_OK(vm.serial().Send("w"));
    auto text = vm.serial().WaitFor("memory test: done", kReplyTime);
    ASSERT_OK(text);
    EXPECT_CONTAINS(*text, " ok");
    EXPECT_FALSE(Contains(*text, "BAD")) << *text;
  }

  static void ExpectQuit(Vm& vm) {
    ASSERT_OK(vm.qmp().Execute("quit"));
    EXPECT_EQ(vm.process().Wait(kReplyTime).value_or(-1), 0);
  }

  static void ExpectRefused(const std::string& object, const std::string& text) {
    const RunResult result = Davitd({"-object", object});
    EXPECT_EQ(result.status, 1);
    EXPECT_CONTAINS(result.err, "davitd: " + text);
  }

  // The part of a message that tells of the pool as it is.
  static std::string Pool(const PageSize& page, uint64_t needed) {
    const std::string file =
        "/sys/kernel/mm/hugepages/hugepages-" + std::to_string(page.kib) + "kB/nr_hugepages";
    return " (huge page pool: " + std::to_string(FreeHugePages(page.kib)) + " free of " +
           std::to_string(std::stol(ReadFile(file))) + " pages of " + std::to_string(page.kib) +
           " KiB, " + std::to_string(needed) + " needed)";
  }
};

INSTANTIATE_TEST_SUITE_P(Sizes, HugePagesTest, ::testing::Values(kTwoMiB, kOneGiB),
                         [](const auto& info) { return std::string("Of") + info.param.name; });

TEST_P(HugePagesTest, MemfdTakesThePagesAndGivesThemBack) {
  const PageSize page = GetParam();
  HugePages pool(page.kib, page.pages);
  if (!pool.why().empty()) GTEST_SKIP() << pool.why();
  const long free = pool.free_pages();
  auto vm = Start(std::string("memory-backend-memfd,hugetlb=on,prealloc=on,prealloc-threads=2,") +
                      "hugetlbsize=" + page.name,
                  page);
  ASSERT_NE(vm, nullptr);
  ExpectRamOfPages(*vm, page);
  EXPECT_EQ(pool.free_pages(), free - page.pages);
  auto rows = vm->qmp().Execute("query-memdev");
  ASSERT_OK(rows);
  ASSERT_EQ(rows->AsArray()->size(), 1u);
  EXPECT_EQ(rows->AsArray()->at(0)["size"], Value(static_cast<int64_t>(page.ram_kib << 10)));
  EXPECT_EQ(rows->AsArray()->at(0)["prealloc"], Value(true));
  ExpectQuit(*vm);
  EXPECT_EQ(pool.free_pages(), free);
}

TEST_P(HugePagesTest, FolderOfAHugetlbfsGetsAFileThatIsGoneAtTheEnd) {
  const PageSize page = GetParam();
  HugePages pool(page.kib, page.pages);
  if (!pool.why().empty()) GTEST_SKIP() << pool.why();
  HugePageMount mount(page.name);
  if (!mount.why().empty()) GTEST_SKIP() << mount.why();
  const long free = pool.free_pages();
  auto vm = Start("memory-backend-file,prealloc=on,mem-path=" + mount.path(), page);
  ASSERT_NE(vm, nullptr);
  ExpectRamOfPages(*vm, page);
  EXPECT_EQ(pool.free_pages(), free - page.pages);
  EXPECT_TRUE(std::filesystem::is_empty(mount.path()));
  ExpectQuit(*vm);
  EXPECT_EQ(pool.free_pages(), free);
}

TEST_P(HugePagesTest, FileOnAHugetlbfsIsMappedFromItsOffset) {
  const PageSize page = GetParam();
  // The page before the offset is never used.
  HugePages pool(page.kib, page.pages);
  if (!pool.why().empty()) GTEST_SKIP() << pool.why();
  HugePageMount mount(page.name);
  if (!mount.why().empty()) GTEST_SKIP() << mount.why();
  const std::string file = mount.File("ram");
  auto vm = Start(
      "memory-backend-file,share=on,offset=" + std::string(page.name) + ",mem-path=" + file, page);
  ASSERT_NE(vm, nullptr);
  ExpectRamOfPages(*vm, page);
  EXPECT_EQ(MappingOfSize(vm->process().pid(), page.ram_kib)->offset, page.kib << 10);
  EXPECT_EQ(MappingOfSize(vm->process().pid(), page.ram_kib)->name, file);
  ExpectQuit(*vm);
  EXPECT_EQ(std::filesystem::file_size(file), (page.kib + page.ram_kib) << 10);
}

TEST_P(HugePagesTest, PoolThatIsTooSmallIsNamedWithWhatItHas) {
  const PageSize page = GetParam();
  if (FreeHugePages(page.kib) < 0) GTEST_SKIP() << "the host's CPUs have no such pages";
  const uint64_t needed = (uint64_t{1} << 30) / page.kib;  // 1 TiB
  const std::string memfd =
      std::string("memory-backend-memfd,id=m,size=1T,hugetlb=on,hugetlbsize=") + page.name;
  const std::string reason = "unable to map backing store for guest RAM: Cannot allocate memory";
  ExpectRefused(memfd, reason + Pool(page, needed));
  ExpectRefused(memfd + ",prealloc=on", reason + Pool(page, needed));
  ExpectRefused(memfd + ",reserve=off,prealloc=on",
                "preallocating memory of 'm' failed: Cannot allocate memory" + Pool(page, needed));
  ExpectQemuSays({"-machine", "none", "-object", memfd}, reason);
  HugePageMount mount(page.name);
  if (!mount.why().empty()) GTEST_SKIP() << mount.why();
  ExpectRefused("memory-backend-file,id=m,size=1T,mem-path=" + mount.File("new"),
                reason + Pool(page, needed));
  EXPECT_FALSE(Exists(mount.File("new")));
}

// Without a reservation the first touch would be a SIGBUS.
TEST_P(HugePagesTest, EmptyPoolIsAnErrorWithoutAReservationToo) {
  const PageSize page = GetParam();
  if (FreeHugePages(page.kib) != 0) GTEST_SKIP() << "the host's pool is not empty";
  ExpectRefused(std::string("memory-backend-memfd,id=m,reserve=off,hugetlb=on,size=") + page.ram +
                    ",hugetlbsize=" + page.name,
                "unable to map backing store for guest RAM: Cannot allocate memory" +
                    Pool(page, static_cast<uint64_t>(page.pages)));
}

// Devices touch the page that is missing (qtest writes as they do), then nothing of it is lost and
// the process is not either.
TEST_P(HugePagesTest, PageThatIsGoneStopsTheVmAndNotTheProcess) {
  const PageSize page = GetParam();
  if (page.pages < 2) GTEST_SKIP() << "needs a pool between one page and enough";
  HugePages pool(page.kib, 2);
  if (!pool.why().empty()) GTEST_SKIP() << pool.why();
  const long free = pool.free_pages();
  if (free >= page.pages) GTEST_SKIP() << "the host's pool is large enough";
  const uint64_t bytes = page.kib << 10;
  qtest::Machine m({"-M", "microvm,memory-backend=m", "-m", page.ram, "-object",
                    std::string("memory-backend-memfd,id=m,reserve=off,hugetlb=on,size=") +
                        page.ram + ",hugetlbsize=" + page.name});
  for (uint64_t i = 1; i <= static_cast<uint64_t>(free); ++i) m.Write(i * bytes + 8, 8, i);
  ASSERT_OK(m.qmp().WaitEvent("STOP", kReplyTime));
  EXPECT_EQ(m.Qmp("query-status")["status"], Value("internal-error"));
  for (uint64_t i = 1; i <= static_cast<uint64_t>(free); ++i) {
    EXPECT_EQ(m.Read(i * bytes + 8, 8), i);
    EXPECT_EQ(m.Read(i * bytes + 16, 8), 0U);
  }
  EXPECT_CONTAINS(m.process().Stderr(), "memory backend 'm': no huge page is left for the guest");
  m.Qmp("system_reset");
  m.Qmp("cont");
  EXPECT_EQ(m.Qmp("query-status")["status"], Value("running"));
}

TEST_P(HugePagesTest, SizesThatDoNotFitThePagesAreRefusedInQemusWords) {
  const PageSize page = GetParam();
  HugePageMount mount(page.name);
  if (!mount.why().empty()) GTEST_SKIP() << mount.why();
  char hex[32];
  std::snprintf(hex, sizeof hex, "0x%llx", static_cast<unsigned long long>(page.kib << 10));
  const std::string small = "memory-backend-file,id=m,size=1M,mem-path=" + mount.path();
  const std::string text =
      std::string("memory size 0x100000 must be equal to or larger than page size ") + hex;
  ExpectRefused(small, text);
  ExpectQemuSays({"-machine", "none", "-object", small}, text);
  ExpectRefused("memory-backend-file,id=m,offset=4k,mem-path=" + mount.path() + ",size=" + page.ram,
                std::string("offset 0x1000 must be multiples of page size ") + hex);
  ExpectRefused("memory-backend-memfd,id=m,size=64M,hugetlb=on,hugetlbsize=16M",
                "failed to create memfd: the host has no huge pages of 16384 KiB");
}

}  // namespace
}  // namespace davit::testing
