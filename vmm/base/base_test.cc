// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Tests of vmm/base.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "vmm/base/endian.h"
#include "vmm/base/error.h"
#include "vmm/base/log.h"
#include "vmm/base/thread_checker.h"
#include "vmm/base/unique_fd.h"
#include "vmm/base/units.h"

namespace davit {
namespace {

Result<int> Half(int n) {
  if (n % 2 != 0) return Fail("odd");
  return n / 2;
}
Result<int> Quarter(int n) {
  DAVIT_ASSIGN(int half, Half(n));
  DAVIT_ASSIGN(int quarter, Half(half));
  return quarter;
}

TEST(ErrorTest, AssignPropagatesTheFirstError) {
  EXPECT_EQ(Quarter(8).value(), 2);
  EXPECT_EQ(Quarter(6).error().message, "odd");
}

TEST(ErrorTest, FailErrnoNamesTheCause) {
  Status status = FailErrno("open 'x'", ENOENT);
  EXPECT_EQ(status.error().message, "open 'x': No such file or directory");
  EXPECT_EQ(status.error().code, ErrorCode::kGeneric);
}

TEST(ErrorTest, ClassNamesBothWays) {
  EXPECT_EQ(ErrorClassName(ErrorCode::kKvmMissingCap), "KVMMissingCap");
  EXPECT_EQ(ErrorCodeOfClass("DeviceNotFound"), ErrorCode::kDeviceNotFound);
  EXPECT_EQ(ErrorCodeOfClass("SomethingNew"), ErrorCode::kGeneric);
}

TEST(EndianTest, WireIntegersAreLittleEndianAndUnaligned) {
  struct Wire {
    unsigned char pad;
    le32 value;
  };
  static_assert(sizeof(Wire) == 5);
  Wire wire{0, 0x11223344};
  const auto* bytes = reinterpret_cast<const unsigned char*>(&wire);
  EXPECT_EQ(bytes[1], 0x44);
  EXPECT_EQ(bytes[4], 0x11);
  EXPECT_EQ(LoadLe(bytes + 1, 2), 0x3344u);
}

TEST(UniqueFdTest, ClosesOnceAndMoves) {
  UniqueFd a(open("/dev/null", O_RDONLY));
  const int raw = a.get();
  UniqueFd b(std::move(a));
  EXPECT_FALSE(a);
  EXPECT_EQ(b.get(), raw);
  b.reset();
  EXPECT_EQ(fcntl(raw, F_GETFD), -1);
}

TEST(UnitsTest, Align) {
  static_assert(AlignUp(4097, kPageSize) == 8192);
  static_assert(AlignDown(8191, kPageSize) == 4096);
}

TEST(ThreadCheckerTest, SeesAnotherThread) {
  ThreadChecker checker;
  EXPECT_TRUE(checker.CalledOnOwner());
  bool other = true;
  std::thread([&] { other = checker.CalledOnOwner(); }).join();
  EXPECT_FALSE(other);
}

TEST(LogTest, FileThatCannotBeOpenedIsNamed) {
  Status status = ConfigureLog({.file = "/nonexistent/dir/log"});
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().message.find("/nonexistent/dir/log"), std::string::npos);
}

TEST(LogTest, GuestErrorsAreLimited) {
  LogLimiter limiter(2);
  EXPECT_TRUE(limiter.Allow());
  EXPECT_TRUE(limiter.Allow());
  EXPECT_FALSE(limiter.Allow());
}

}  // namespace
}  // namespace davit
