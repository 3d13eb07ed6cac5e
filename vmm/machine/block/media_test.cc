// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Removable media as QMP moves them, over a tray that only records: what is asked, in which order,
// and that a step that fails changes nothing. The words of errors: tests/conformance (media.txt).
#include <gtest/gtest.h>

#include "vmm/backend/block/test_support.h"
#include "vmm/machine/block/block_control.h"

namespace davit::machine {
namespace {

using backend::BlockNodeSpec;
using control::BlockDiskName;
using control::BlockMedium;
using Log = std::vector<std::string>;

class RecordingTray final : public backend::Tray {
 public:
  bool tray_open() override { return open; }
  bool tray_locked() override { return locked; }
  void MoveTray(bool to_open) override {
    open = to_open;
    log.push_back(open ? "open" : "close");
  }
  void RequestEject(bool force) override { log.push_back(force ? "unlock" : "ask"); }
  void WhileQuiet(const std::function<void()>& fn) override {
    log.push_back("swap");
    fn();
  }
  bool open = false, locked = false;
  Log log;
};

class MediaControl : public ::testing::Test {
 protected:
  MediaControl() {
    BlockNodeSpec spec = backend::FileSpec("c0", dir_.Image("a.img", 4096));
    spec.no_flush = true;
    spec.detect_zeroes = backend::DetectZeroes::kOn;
    EXPECT_TRUE(graph_.AddNode(spec));
  }
  void Attach(const std::string& drive) {
    auto disk = graph_.Attach(drive, {.qdev = "d0"});
    ASSERT_TRUE(disk);
    disk_ = std::move(*disk);
    disk_->set_tray(&tray_);
  }
  Status Change(BlockMedium medium, bool force = false) {
    medium.filename = dir_.Image("b.img", 8192);
    return blocks_.ChangeMedium(kDrive, medium, force);
  }

  const BlockDiskName kDrive{std::nullopt, "d0"};
  backend::TempDir dir_;
  backend::PathOpener opener_;
  backend::BlockGraph graph_{opener_};
  BlockControlImpl blocks_{graph_, {}};
  RecordingTray tray_;
  std::shared_ptr<backend::BlockBackend> disk_;
};

TEST_F(MediaControl, ADriveWithoutAnIdTakesAFreeName) {
  BlockControlImpl blocks(graph_, [](const std::string& id) -> Result<control::DriveSpec> {
    return control::DriveSpec{.id = id, .empty = true};
  });
  const auto attach = [&](const std::string& drive) {
    return graph_.Attach(drive, {.qdev = "d1", .needs_medium = false});
  };
  ASSERT_TRUE(blocks.AddDriveText(""));
  const auto disk = attach("none0");
  ASSERT_TRUE(disk);
  ASSERT_TRUE(blocks.RemoveDrive("none0"));
  const auto nameless = attach("");  // not the disk that has lost its name
  ASSERT_FALSE(nameless);
  EXPECT_EQ(nameless.error().message, "can't find value ''");
  // The name is free, whether it is made up anew or given.
  EXPECT_TRUE(blocks.AddDriveText(""));
  ASSERT_NE(graph_.FindDrive("none0"), nullptr);
  EXPECT_EQ(backend::MessageOf(blocks.AddDriveText("none0")), "Duplicate ID 'none0' for drive");
  ASSERT_TRUE(blocks.RemoveDrive("none0"));
  ASSERT_TRUE(blocks.AddDriveText("none0"));
  // One that was given stays until the device goes, but others may be called so.
  const auto other = attach("none0");
  ASSERT_TRUE(other);
  ASSERT_TRUE(blocks.RemoveDrive("none0"));
  EXPECT_EQ(backend::MessageOf(blocks.AddDriveText("none0")), "Duplicate ID 'none0' for drive");
  EXPECT_TRUE(blocks.AddDriveText(""));
  EXPECT_NE(graph_.FindDrive("none0"), nullptr);
}

TEST_F(MediaControl, AChangeOpensSwapsAndCloses) {
  Attach("c0");
  ASSERT_TRUE(Change({}));
  EXPECT_EQ(tray_.log, (Log{"open", "swap", "close"}));
  EXPECT_EQ(disk_->length(), 8192u);
  EXPECT_TRUE(graph_.RemoveNode("c0"));  // free again
  // The node that the command made is nobody's.
  ASSERT_TRUE(blocks_.Eject(kDrive, false));
  EXPECT_TRUE(graph_.Nodes().empty());
  // An open tray is closed alone.
  tray_.log.clear();
  ASSERT_TRUE(Change({}));
  EXPECT_EQ(tray_.log, (Log{"swap", "close"}));
}

TEST_F(MediaControl, AMediumTakesOverFromTheOneBefore) {
  Attach("c0");
  ASSERT_TRUE(blocks_.Eject(kDrive, false));
  ASSERT_TRUE(Change({}));
  const backend::BlockNode& node = *disk_->node();
  EXPECT_FALSE(node.read_only());
  EXPECT_TRUE(node.no_flush());
  EXPECT_FALSE(node.direct() || node.discard());
  EXPECT_EQ(node.detect_zeroes(), backend::DetectZeroes::kOn);
  EXPECT_TRUE(node.child()->no_flush());
}

TEST_F(MediaControl, ForceEndsTheGuestsLock) {
  Attach("c0");
  tray_.locked = true;
  ASSERT_TRUE(Change({}, true));
  EXPECT_EQ(tray_.log, (Log{"unlock", "open", "swap", "close"}));
}

TEST_F(MediaControl, AMediumThatCannotGoInChangesNothing) {
  Attach("c0");
  tray_.locked = true;
  const Status status = Change({.mode = BlockMedium::Mode::kReadOnly}, true);
  EXPECT_EQ(backend::MessageOf(status), "Block node is read-only");
  EXPECT_TRUE(tray_.log.empty());
  EXPECT_EQ(disk_->node()->name(), "c0");
  EXPECT_EQ(graph_.Nodes().size(), 1u);
  // Still a user that writes.
  auto other = graph_.Attach("c0", {.qdev = "d1"});
  ASSERT_FALSE(other);
  EXPECT_NE(other.error().message.find("'write' are both required"), std::string::npos);
}

TEST_F(MediaControl, ALockedTrayIsAskedAndStaysClosed) {
  Attach("c0");
  tray_.locked = true;
  EXPECT_TRUE(blocks_.OpenTray(kDrive, false));
  EXPECT_FALSE(blocks_.Eject(kDrive, false));
  EXPECT_FALSE(Change({}));
  EXPECT_EQ(tray_.log, (Log{"ask", "ask", "ask"}));
  EXPECT_EQ(disk_->node()->name(), "c0");
  EXPECT_EQ(graph_.Nodes().size(), 1u);
  tray_.log.clear();
  EXPECT_TRUE(blocks_.Eject(kDrive, true));
  EXPECT_EQ(tray_.log, (Log{"unlock", "open", "swap"}));
  EXPECT_EQ(disk_->node(), nullptr);
}

TEST_F(MediaControl, WithoutADeviceThereIsNoTray) {
  backend::DriveSpec drive;
  drive.id = "x";
  drive.empty = true;
  drive.node.read_only = true;
  ASSERT_TRUE(graph_.AddDrive(drive));
  const BlockDiskName name{"x", std::nullopt};
  EXPECT_TRUE(blocks_.OpenTray(name, false));
  EXPECT_TRUE(blocks_.ChangeMedium(name, {.filename = dir_.Image("b.img", 512)}, false));
  EXPECT_TRUE(graph_.FindDrive("x")->node()->read_only());
  EXPECT_FALSE(blocks_.Disks().at(0).tray_open.has_value());
  EXPECT_TRUE(blocks_.Eject(name, false));
  EXPECT_FALSE(blocks_.Disks().at(0).node.has_value());
  auto disk = graph_.Attach("x", {.qdev = "d1"});
  ASSERT_FALSE(disk);
  EXPECT_EQ(disk.error().message, "Device needs media, but drive is empty");
}

TEST_F(MediaControl, ADeviceGoesByItsIdAndByItsPath) {
  Attach("c0");
  EXPECT_TRUE(blocks_.CloseTray({std::nullopt, "d0"}));
  EXPECT_TRUE(blocks_.CloseTray({std::nullopt, "/machine/peripheral/d0"}));
  EXPECT_FALSE(blocks_.CloseTray({std::nullopt, "d"}));
  EXPECT_FALSE(blocks_.CloseTray({"d0", std::nullopt}));
}

}  // namespace
}  // namespace davit::machine
