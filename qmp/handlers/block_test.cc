// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The block commands on a fake: what a client reads is member by member what QEMU 7.2 says of the
// same disk.
#include <gtest/gtest.h>

#include "qmp/handlers/parts.h"
#include "qmp/handlers/testing/fake_vm_control.h"
#include "schema/qapi/codecs.h"
#include "schema/runtime/json/json.h"

namespace davit::qmp {
namespace {

class FakeContext final : public qapi::CommandContext {
 public:
  Result<UniqueFd> TakeFd() override { return Fail("none"); }
  qapi::NamedFds& named_fds() override { return named_; }
  bool in_preconfig() const override { return false; }
  uint64_t session_id() const override { return 1; }

 private:
  qapi::NamedFds named_;
};

control::BlockNodeInfo FileNode() {
  control::BlockNodeInfo node;
  node.name = "f0";
  node.driver = "file";
  node.filename = "/a.img";
  node.virtual_size = 1048576;
  node.actual_size = 4096;
  node.has_dirty_flag = true;
  node.file_stats = {.discard_ok = 1, .discard_failed = 2, .discard_bytes_ok = 3};
  return node;
}

control::BlockDiskInfo Disk() {
  control::BlockDiskInfo disk;
  disk.qdev = "/machine/peripheral/d0/virtio-backend";
  disk.io_status = control::BlockIoStatus::kOk;
  disk.node = FileNode();
  return disk;
}

class Block : public testing::Test {
 protected:
  template <typename T>
  static std::string Text(const Result<T>& result) {
    return result ? json::Write(qapi::Encode(*result)) : result.error().message;
  }

  control::FakeBlocks blocks_;
  BlockHandlers handlers_{blocks_};
  BlockNodesHandlers nodes_{blocks_};
  BlockMediaHandlers media_{blocks_};
  FakeContext context_;
};

TEST_F(Block, QueryBlockOfADevice) {
  blocks_.disks = {Disk()};
  EXPECT_EQ(Text(handlers_.QueryBlock(context_)),
            R"([{"io-status": "ok", "device": "", "locked": false, "removable": false, )"
            R"("inserted": {"iops_rd": 0, "detect_zeroes": "off", "image": {"virtual-size": )"
            R"(1048576, "filename": "/a.img", "format": "file", "actual-size": 4096, )"
            R"("dirty-flag": false}, "iops_wr": 0, "ro": false, "node-name": "f0", )"
            R"("backing_file_depth": 0, "drv": "file", "iops": 0, "bps_wr": 0, )"
            R"("write_threshold": 0, "encrypted": false, "bps": 0, "bps_rd": 0, "cache": )"
            R"({"no-flush": false, "direct": false, "writeback": true}, "file": "/a.img"}, )"
            R"("qdev": "/machine/peripheral/d0/virtio-backend", "type": "unknown"}])");
}

TEST_F(Block, QueryBlockOfADriveWithLimits) {
  control::BlockDiskInfo disk = Disk();
  disk.device = "x0";
  disk.qdev.clear();
  disk.io_status.reset();
  disk.removable = true;
  disk.write_cache = false;
  disk.limits.emplace();
  disk.limits->bps = {.average = 1000, .max = 2000, .length = 3};
  disk.limits->iops_size = 512;
  disk.limits->group = "g";
  blocks_.disks = {disk};
  const auto rows = handlers_.QueryBlock(context_);
  ASSERT_TRUE(rows && rows->size() == 1);
  const qapi::BlockInfo& info = (*rows)[0];
  EXPECT_EQ(info.device, "x0");
  EXPECT_FALSE(info.qdev || info.io_status);
  EXPECT_TRUE(info.removable);
  EXPECT_FALSE(info.inserted->cache.writeback);
  EXPECT_EQ(info.inserted->bps, 1000);
  EXPECT_EQ(info.inserted->bps_max, 2000);
  EXPECT_EQ(info.inserted->bps_max_length, 3);
  EXPECT_FALSE(info.inserted->iops_max || info.inserted->iops_max_length);
  EXPECT_EQ(info.inserted->iops_size, 512);
  EXPECT_EQ(info.inserted->group, "g");
}

TEST_F(Block, CountersOfADiskAndOfItsNodes) {
  control::BlockDiskInfo disk = Disk();
  disk.node = FileNode();
  disk.node->name = "r0";
  disk.node->driver = "raw";
  disk.node->file_stats.reset();
  disk.node->child = {FileNode()};
  disk.read = {.bytes = 1, .operations = 2, .time_ns = 3, .failed = 4, .invalid = 5};
  disk.idle_ns = 9;
  blocks_.disks = {disk};
  blocks_.nodes = {FileNode()};
  const auto rows = handlers_.QueryBlockstats(context_, {});
  ASSERT_TRUE(rows && rows->size() == 1);
  const qapi::BlockStats& stats = (*rows)[0];
  EXPECT_EQ(stats.node_name, "r0");
  EXPECT_EQ(stats.stats.rd_bytes, 1);
  EXPECT_EQ(stats.stats.rd_operations, 2);
  EXPECT_EQ(stats.stats.rd_total_time_ns, 3);
  EXPECT_EQ(stats.stats.failed_rd_operations, 4);
  EXPECT_EQ(stats.stats.invalid_rd_operations, 5);
  EXPECT_EQ(stats.stats.idle_time_ns, 9);
  EXPECT_TRUE(stats.stats.account_failed);
  EXPECT_FALSE(stats.driver_specific);
  const std::string text = Text(rows);
  EXPECT_NE(text.find(R"("driver-specific": {"discard-bytes-ok": 3, "discard-nb-ok": 1, "driver": )"
                      R"("file", "discard-nb-failed": 2})"),
            std::string::npos)
      << text;
  const auto nodes = handlers_.QueryBlockstats(context_, {.query_nodes = true});
  ASSERT_TRUE(nodes && nodes->size() == 1);
  EXPECT_FALSE((*nodes)[0].device || (*nodes)[0].stats.account_failed);
}

TEST_F(Block, VerbsReachTheFacade) {
  qapi::BlockdevOptions options;
  options.driver = qapi::BlockdevDriver::kNullCo;
  options.node_name = "n0";
  options.u = qapi::BlockdevOptionsNull{.size = 512};
  EXPECT_TRUE(nodes_.BlockdevAdd(context_, options));
  EXPECT_EQ(blocks_.added.null_size, 512u);
  options.u = qapi::BlockdevOptionsNull{.size = -1};
  EXPECT_FALSE(nodes_.BlockdevAdd(context_, options));
  EXPECT_TRUE(nodes_.BlockdevDel(context_, {.node_name = "n0"}));
  EXPECT_FALSE(nodes_.BlockdevReopen(context_, {.options = {options}}));
  options.u = qapi::BlockdevOptionsNull{};
  EXPECT_TRUE(nodes_.BlockdevReopen(context_, {.options = {options, options}}));
  EXPECT_TRUE(handlers_.BlockResize(context_, {.node_name = "f0", .size = 7}));
  qapi::BlockIOThrottle limits;
  limits.id = "d0";
  limits.iops = 5;
  limits.iops_max = 10;
  EXPECT_TRUE(handlers_.BlockSetIoThrottle(context_, limits));
  EXPECT_EQ(blocks_.limits.iops.max, 10);
  EXPECT_EQ(blocks_.limits.iops.length, 1);
  EXPECT_EQ(blocks_.calls,
            (std::vector<std::string>{"blockdev-add n0", "blockdev-del n0", "blockdev-reopen n0 n0",
                                      "block_resize f0 7", "limits id:d0"}));
}

TEST_F(Block, ADriveWithoutAMedium) {
  control::BlockDiskInfo disk;
  disk.qdev = "cd0";
  disk.removable = true;
  disk.tray_open = true;
  disk.locked = true;
  blocks_.disks = {disk};
  EXPECT_EQ(Text(handlers_.QueryBlock(context_)),
            R"([{"device": "", "locked": true, "removable": true, "qdev": "cd0", )"
            R"("tray_open": true, "type": "unknown"}])");
  const auto stats = handlers_.QueryBlockstats(context_, {});
  ASSERT_TRUE(stats && stats->size() == 1);
  EXPECT_EQ((*stats)[0].qdev, "cd0");
  EXPECT_FALSE((*stats)[0].node_name);
}

TEST_F(Block, MediaVerbsReachTheFacade) {
  EXPECT_TRUE(media_.Eject(context_, {.device = "d", .force = true}));
  EXPECT_TRUE(media_.BlockdevOpenTray(context_, {.id = "c"}));
  EXPECT_TRUE(media_.BlockdevCloseTray(context_, {.id = "c"}));
  EXPECT_TRUE(media_.BlockdevRemoveMedium(context_, {.id = "c"}));
  EXPECT_TRUE(media_.BlockdevInsertMedium(context_, {.id = "c", .node_name = "n"}));
  EXPECT_TRUE(media_.BlockdevChangeMedium(
      context_, {.id = "c",
                 .filename = "/a",
                 .force = true,
                 .read_only_mode = qapi::BlockdevChangeReadOnlyMode::kReadWrite}));
  EXPECT_EQ(blocks_.calls,
            (std::vector<std::string>{"eject device:d force", "open-tray id:c", "close-tray id:c",
                                      "remove id:c", "insert id:c n", "change id:c /a - 2 force"}));
}

}  // namespace
}  // namespace davit::qmp
