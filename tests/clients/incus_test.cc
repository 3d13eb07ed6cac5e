// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Incus and LXD: an id of 32 bits a command on one long connection, a ring buffer that is read at
// each event, descriptors by add-fd and getfd, and errors known by their text.
#include <fcntl.h>

#include <cstdint>
#include <limits>
#include <memory>
#include <string>

#include "tests/clients/fixture.h"

namespace davit::testing {
namespace {

class IncusTest : public OneConnectionTest {
 protected:
  void SetUp() override {
    OneConnectionTest::SetUp();
    if (wire_ == nullptr) return;
    EXPECT_DONE(Run("qmp_capabilities"));
  }
  json::Value Run(const std::string& command, const std::string& arguments = "") {
    json::Value reply = Ask(*wire_, Text(command, arguments));
    EXPECT_EQ(reply["id"], json::Value(uint64_t{next_id_++}));
    return reply;
  }
  std::string Text(const std::string& command, const std::string& arguments) const {
    return R"({"execute":")" + command + '"' +
           (arguments.empty() ? "" : R"(,"arguments":)" + arguments) + R"(,"id":)" +
           std::to_string(next_id_) + "}\n";
  }

  // Just before it wraps.
  uint32_t next_id_ = std::numeric_limits<uint32_t>::max() - 2;
};

TEST_F(IncusTest, IdsAreNumbersThatWrap) {
  for (int i = 0; i < 6; ++i) EXPECT_TRUE(Run("query-status")["return"].is_object());
  EXPECT_LT(next_id_, 10U);
}

TEST_F(IncusTest, TheRingOfTheAgentIsReadAtEachEvent) {
  // A second client makes the event.
  EXPECT_TRUE(vm().qmp().Execute("ringbuf-write", {{"device", "agent"}, {"data", "STARTED\n"}}));
  EXPECT_TRUE(vm().qmp().Execute("stop"));
  (void)Event(*wire_, "STOP");
  const std::string read = R"({"device":"agent","size":4096,"format":"utf8"})";
  EXPECT_EQ(Run("ringbuf-read", read)["return"], json::Value("STARTED\n"));
  EXPECT_EQ(Run("ringbuf-read", read)["return"], json::Value(""));
}

TEST_F(IncusTest, DescriptorsOfADiskAndOfANic) {
  const UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  ASSERT_TRUE(wire_->SendWithFd(Text("add-fd", R"({"fdset-id":7,"opaque":"disk0"})"), null.get()));
  EXPECT_EQ(Reply(*wire_)["return"]["fdset-id"], json::Value(7));
  ++next_id_;
  ASSERT_TRUE(wire_->SendWithFd(Text("getfd", R"({"fdname":"nic0.0"})"), null.get()));
  EXPECT_DONE(Reply(*wire_));
  ++next_id_;
  const json::Value sets = Run("query-fdsets");
  ASSERT_TRUE(sets["return"].AsArray() != nullptr && sets["return"].AsArray()->size() == 1);
  const json::Value& set = (*sets["return"].AsArray())[0];
  EXPECT_EQ((*set["fds"].AsArray())[0]["opaque"], json::Value("disk0"));
  EXPECT_DONE(Run("remove-fd", R"({"fdset-id":7})"));
  EXPECT_DONE(Run("closefd", R"({"fdname":"nic0.0"})"));
}

TEST_F(IncusTest, ErrorsAreKnownByTheirText) {
  EXPECT_REFUSED(Run("device_del", R"({"id":"dev-incus_none"})"), "DeviceNotFound",
                 "Device 'dev-incus_none' not found");
  EXPECT_REFUSED(Run("blockdev-del", R"({"node-name":"incus_none"})"), "GenericError",
                 "Failed to find node with node-name='incus_none'");
  EXPECT_REFUSED(Run("remove-fd", R"({"fdset-id":99})"), "GenericError",
                 "File descriptor named 'fdset-id:99' not found");
  EXPECT_DONE(Run("blockdev-add", R"({"driver":"null-co","node-name":"incus_disk"})"));
  EXPECT_DONE(Run("device_add", R"({"driver":"virtio-blk-pci","id":"dev-incus_disk",)"
                                R"("drive":"incus_disk","bus":"port0"})"));
  EXPECT_REFUSED(Run("blockdev-del", R"({"node-name":"incus_disk"})"), "GenericError",
                 "Node incus_disk is in use");
  EXPECT_REFUSED(Run("device_add", R"({"driver":"virtio-rng-pci","id":"dev-incus_disk",)"
                                   R"("bus":"port1"})"),
                 "GenericError", "Duplicate device ID 'dev-incus_disk'");
}

}  // namespace
}  // namespace davit::testing
