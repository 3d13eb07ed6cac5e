// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Nodes and disks by name: what is made, what is refused and in whose words, what is left behind.
#include "vmm/backend/block/graph.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "vmm/backend/block/file_node.h"
#include "vmm/backend/block/test_support.h"
#include "vmm/base/units.h"

namespace davit::backend {
namespace {

class Graph : public ::testing::Test {
 protected:
  std::string AddError(const BlockNodeSpec& spec) { return MessageOf(graph_.AddNode(spec)); }

  TempDir dir_;
  PathOpener opener_;
  BlockGraph graph_{opener_};
};

TEST_F(Graph, NamesAreChecked) {
  EXPECT_EQ(AddError(Null("")), "'node-name' must be specified for the root node");
  EXPECT_EQ(AddError(Null("1a")), "Invalid node-name: '1a'");
  EXPECT_EQ(AddError(Null(std::string(32, 'a'))), "Node name too long");
  EXPECT_EQ(AddError(Null("n0")), "");
  EXPECT_EQ(AddError(Null("n0")), "Duplicate nodes with node-name='n0'");
}

TEST_F(Graph, WhatCannotBeOpenedIsNamed) {
  EXPECT_EQ(AddError(FileSpec("f", "/nonexistent")),
            "Could not open '/nonexistent': No such file or directory");
  EXPECT_EQ(AddError(FileSpec("f", dir_ / "")),
            "Could not open '" + (dir_ / "") + "': Is a directory");
  EXPECT_EQ(AddError(FileSpec("f", "/dev/null")),
            "'file' driver requires '/dev/null' to be a regular file");
  BlockNodeSpec device = FileSpec("f", dir_.Image("a", 512));
  device.driver = BlockDriver::kHostDevice;
  EXPECT_EQ(AddError(device), "'host_device' driver requires '" + device.filename +
                                  "' to be either a character or block device");
  EXPECT_TRUE(graph_.Nodes().empty());
}

TEST_F(Graph, AlignmentThatCannotBeFoundOutIsTheSafeOne) {
  const TempDir memory("/dev/shm");  // takes direct I/O of any alignment, and does not say so
  BlockNodeSpec spec = FileSpec("f", memory.Image("a", kMiB));
  spec.direct = true;
  if (const std::string error = AddError(spec); !error.empty()) GTEST_SKIP() << error;
  const FileNode* const file = graph_.FindNode("f")->Target().file;
  EXPECT_EQ(file->request_alignment(), 4096u);
  EXPECT_EQ(file->memory_alignment(), 4096u);
}

TEST_F(Graph, AHoleDoesNotHideTheAlignment) {
  std::ofstream(dir_ / "full") << std::string(kMiB, 'x');
  BlockNodeSpec full = FileSpec("full", dir_ / "full");
  BlockNodeSpec hole = FileSpec("hole", dir_.Image("hole", kMiB));
  full.direct = hole.direct = true;
  if (const std::string error = AddError(full); !error.empty()) GTEST_SKIP() << error;
  ASSERT_EQ(AddError(hole), "");
  const FileNode* const file = graph_.FindNode("full")->Target().file;
  const FileNode* const other = graph_.FindNode("hole")->Target().file;
  EXPECT_GE(other->request_alignment(), file->request_alignment());
  EXPECT_GE(other->memory_alignment(), file->memory_alignment());
}

TEST_F(Graph, AFifoDoesNotHang) {
  const std::string path = dir_ / "fifo";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  EXPECT_EQ(AddError(FileSpec("f", path)),
            "'file' driver requires '" + path + "' to be a regular file");
}

TEST_F(Graph, OptionsThatContradict) {
  BlockNodeSpec spec = Null("n");
  spec.detect_zeroes = DetectZeroes::kUnmap;
  EXPECT_EQ(AddError(spec),
            "setting detect-zeroes to unmap is not allowed without setting discard operation to "
            "unmap");
  spec = Null("n");
  spec.force_share = true;
  EXPECT_EQ(AddError(spec), "force-share=on can only be used with read-only images");
}

TEST_F(Graph, RawStandsOnANode) {
  ASSERT_EQ(AddError(FileSpec("f", dir_.Image("a", kMiB))), "");
  EXPECT_EQ(AddError(Raw("r", "zz")), "Cannot find device='zz' nor node-name='zz'");
  EXPECT_EQ(AddError(Raw("r", "f")), "");
  EXPECT_EQ(graph_.FindNode("r")->length(), kMiB);
  EXPECT_EQ(graph_.FindNode("r")->filename(), dir_ / "a");
  EXPECT_EQ(MessageOf(graph_.RemoveNode("f")), "Block device f is in use");
  EXPECT_EQ(MessageOf(graph_.RemoveNode("r")), "");
  EXPECT_EQ(MessageOf(graph_.RemoveNode("f")), "");
  EXPECT_EQ(MessageOf(graph_.RemoveNode("f")), "Failed to find node with node-name='f'");
}

TEST_F(Graph, AWindowOfRawIsInsideItsFile) {
  ASSERT_EQ(AddError(FileSpec("f", dir_.Image("a", kMiB))), "");
  BlockNodeSpec spec = Raw("r", "f");
  spec.offset = 2 * kMiB;
  EXPECT_EQ(AddError(spec),
            "Offset (2097152) cannot be greater than size of the containing file (1048576)");
  spec.offset = 512;
  spec.size = kMiB;
  EXPECT_EQ(AddError(spec),
            "The sum of offset (512) and size (1048576) has to be smaller or equal to the  actual "
            "size of the containing file (1048576)");
  spec.size = 100;
  EXPECT_EQ(AddError(spec), "Specified size is not multiple of 512");
  spec.size = 1024;
  EXPECT_EQ(AddError(spec), "");
  EXPECT_EQ(graph_.FindNode("r")->length(), 1024u);
  EXPECT_EQ(MessageOf(graph_.Resize(*graph_.FindNode("r"), 512)),
            "Cannot resize fixed-size raw disks");
}

TEST_F(Graph, AWindowShiftsRequests) {
  const std::string path = dir_.Image("a", kMiB);
  ASSERT_EQ(AddError(FileSpec("f", path)), "");
  BlockNodeSpec spec = Raw("r", "f");
  spec.offset = 1024;
  ASSERT_EQ(AddError(spec), "");
  io::AsioEventLoop loop;
  auto disk = graph_.Attach("r", {.qdev = "d"});
  ASSERT_TRUE(disk);
  DiskUser user(loop, std::move(*disk));
  EXPECT_EQ(user.Write(512, std::string(512, 'q')), 0);
  EXPECT_EQ(ReadFile(path).substr(1536, 512), std::string(512, 'q'));
}

TEST_F(Graph, AnInlineChildGoesWithItsParent) {
  BlockNodeSpec spec = Raw("r", "");
  spec.file = std::make_shared<BlockNodeSpec>(FileSpec("", dir_.Image("a", 512)));
  spec.read_only = true;
  spec.no_flush = true;
  ASSERT_EQ(AddError(spec), "");
  ASSERT_EQ(graph_.Nodes().size(), 2u);
  EXPECT_EQ(graph_.Nodes()[0]->name(), "r");
  EXPECT_TRUE(graph_.Nodes()[1]->read_only());
  EXPECT_TRUE(graph_.Nodes()[1]->no_flush());
  const std::string child = graph_.Nodes()[1]->name();
  EXPECT_TRUE(child.starts_with("#block"));
  EXPECT_EQ(MessageOf(graph_.RemoveNode(child)), "Node " + child + " is not owned by the monitor");
  EXPECT_EQ(MessageOf(graph_.RemoveNode("r")), "");
  EXPECT_TRUE(graph_.Nodes().empty());
}

TEST_F(Graph, TwoDevicesOnOneNodeConflict) {
  ASSERT_EQ(AddError(Null("n")), "");
  auto first = graph_.Attach("n", {.qdev = "/machine/a"});
  ASSERT_TRUE(first);
  auto second = graph_.Attach("n", {.qdev = "/machine/b"});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().message,
            "Permission conflict on node 'n': permissions 'write' are both required by block "
            "device '/machine/a' (uses node 'n' as 'root' child) and unshared by block device "
            "'/machine/b' (uses node 'n' as 'root' child).");
  EXPECT_EQ(graph_.Disks().size(), 1u);
  EXPECT_EQ(MessageOf(graph_.RemoveNode("n")), "Node n is in use");
  first->reset();
  EXPECT_TRUE(graph_.Attach("n", {.qdev = "/machine/b"}));
}

TEST_F(Graph, SharedReadWriteIsAllowedWhenBothSaySo) {
  ASSERT_EQ(AddError(Null("n")), "");
  auto first = graph_.Attach("n", {.qdev = "a", .share_rw = true});
  auto second = graph_.Attach("n", {.qdev = "b", .share_rw = true});
  EXPECT_TRUE(first && second);
}

TEST_F(Graph, ReadOnlyNodesMakeReadOnlyDisks) {
  BlockNodeSpec spec = Null("n");
  spec.read_only = true;
  ASSERT_EQ(AddError(spec), "");
  auto disk = graph_.Attach("n", {.qdev = "a"});
  ASSERT_TRUE(disk);
  EXPECT_TRUE((*disk)->read_only());
}

TEST_F(Graph, AWriterNeedsAWritableNodeBelow) {
  BlockNodeSpec spec = Null("n");
  spec.read_only = true;
  ASSERT_EQ(AddError(spec), "");
  ASSERT_EQ(AddError(Raw("r", "n")), "");
  auto disk = graph_.Attach("r", {.qdev = "a"});
  ASSERT_FALSE(disk);
  EXPECT_EQ(disk.error().message, "Block node is read-only");
}

TEST_F(Graph, ADriveWaitsForItsDevice) {
  DriveSpec drive;
  drive.id = "x0";
  drive.node = Raw("", "");
  drive.node.file = std::make_shared<BlockNodeSpec>(FileSpec("", dir_.Image("a", 512)));
  ASSERT_EQ(MessageOf(graph_.AddDrive(drive)), "");
  EXPECT_EQ(MessageOf(graph_.AddDrive(drive)), "Duplicate ID 'x0' for drive");
  EXPECT_EQ(AddError(Null("x0")), "node-name=x0 is conflicting with a device id");
  ASSERT_EQ(graph_.Disks().size(), 1u);
  EXPECT_TRUE(graph_.Disks()[0]->removable());
  auto disk = graph_.Attach("x0", {.qdev = "d"});
  ASSERT_TRUE(disk);
  EXPECT_FALSE((*disk)->removable());
  auto again = graph_.Attach("x0", {.qdev = "e"});
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().message, "Drive 'x0' is already in use by another device");
}

TEST_F(Graph, ADriveIsFreeAgainWhenItsDeviceHasGone) {
  DriveSpec drive;
  drive.id = "x0";
  drive.node = FileSpec("", dir_.Image("a", 512));
  drive.werror = ErrorPolicy::kIgnore;
  drive.write_cache = false;
  ASSERT_EQ(MessageOf(graph_.AddDrive(drive)), "");
  auto disk = graph_.Attach("x0", {.qdev = "d",
                                   .rerror = ErrorPolicy::kStop,
                                   .werror = ErrorPolicy::kReport,
                                   .write_cache = true});
  ASSERT_TRUE(disk);
  EXPECT_EQ((*disk)->OnError(false, EIO), ErrorAction::kReport);
  EXPECT_EQ((*disk)->OnError(true, EIO), ErrorAction::kStop);
  EXPECT_TRUE((*disk)->write_cache());
  disk->reset();
  ASSERT_EQ(graph_.Disks().size(), 1u);
  const BlockBackend& free = *graph_.Disks()[0];
  EXPECT_TRUE(free.removable());
  EXPECT_EQ(free.qdev(), "");
  EXPECT_EQ(free.io_status(), IoStatus::kOk);
  EXPECT_FALSE(free.write_cache());
  // What the first device said does not hold for the next.
  disk = graph_.Attach("x0", {.qdev = "e"});
  ASSERT_TRUE(disk);
  EXPECT_EQ((*disk)->OnError(false, EIO), ErrorAction::kIgnore);
  EXPECT_EQ((*disk)->OnError(true, EIO), ErrorAction::kReport);
  EXPECT_FALSE((*disk)->write_cache());
}

TEST_F(Graph, ADriveGoesWithADeviceThatGoesForGood) {
  DriveSpec drive{.id = "x0", .node = FileSpec("", dir_.Image("a", 512))};
  DriveSpec other{.id = "x1", .node = Null("")};
  ASSERT_EQ(MessageOf(graph_.AddDrive(drive)), "");
  ASSERT_EQ(MessageOf(graph_.AddDrive(other)), "");
  ASSERT_EQ(AddError(Null("n")), "");
  auto disk = graph_.Attach("x0", {.qdev = "d"});
  auto node = graph_.Attach("n", {.qdev = "e"});
  ASSERT_TRUE(disk && node);
  EXPECT_TRUE(graph_.TakeDrivesOf({"", "e"}).empty());
  auto taken = graph_.TakeDrivesOf({"c", "d"});
  ASSERT_EQ(taken.size(), 1u);
  disk->reset();
  EXPECT_NE(graph_.FindDrive("x0"), nullptr);
  taken.clear();
  EXPECT_EQ(graph_.FindDrive("x0"), nullptr);
  EXPECT_NE(graph_.FindDrive("x1"), nullptr);
  EXPECT_NE(graph_.FindNode("n"), nullptr);
  EXPECT_EQ(MessageOf(graph_.AddDrive(drive)), "");
}

TEST_F(Graph, ADeletedDriveLeavesItsDeviceADiskWithoutAMedium) {
  DriveSpec drive{.id = "x0", .node = FileSpec("", dir_.Image("a", kMiB))};
  ASSERT_EQ(MessageOf(graph_.AddDrive(drive)), "");
  EXPECT_EQ(MessageOf(graph_.RemoveDrive("zz")), "Device 'zz' not found");
  ASSERT_EQ(MessageOf(graph_.RemoveDrive("x0")), "");  // nobody has it
  EXPECT_TRUE(graph_.Disks().empty() && graph_.Nodes().empty());

  ASSERT_EQ(MessageOf(graph_.AddDrive(drive)), "");
  io::AsioEventLoop loop;
  auto disk = graph_.Attach("x0", {.qdev = "d"});
  ASSERT_TRUE(disk);
  DiskUser user(loop, std::move(*disk));
  ASSERT_EQ(MessageOf(graph_.RemoveDrive("x0")), "");
  EXPECT_TRUE(graph_.Nodes().empty());
  EXPECT_EQ(user.disk().name(), "");
  EXPECT_EQ(user.disk().length(), 0u);
  EXPECT_EQ(user.Write(0, std::string(512, 'x')), ENOMEDIUM);
  EXPECT_EQ(user.Flush(), ENOMEDIUM);
  EXPECT_EQ(user.disk().OnError(false, ENOMEDIUM), ErrorAction::kReport);
  EXPECT_EQ(MessageOf(graph_.RemoveDrive("x0")), "Device 'x0' not found");
  EXPECT_EQ(MessageOf(graph_.AddDrive(drive)), "Duplicate ID 'x0' for drive");
  EXPECT_FALSE(graph_.Attach("x0", {.qdev = "e"}));
  EXPECT_EQ(graph_.TakeDrivesOf({"d"}).size(), 1u);
  EXPECT_EQ(MessageOf(graph_.AddDrive(drive)), "");
}

// A device that fails a flush as soon as it may run again.
class RestlessOwner final : public DiskOwner {
 public:
  explicit RestlessOwner(BlockBackend& disk) : disk_(disk) {}
  void WhileQuiet(const std::function<void()>& fn) override {
    fn();
    action_ = disk_.OnError(false, EIO);
  }
  std::unique_lock<std::mutex> Lock() override {
    name_ = disk_.name();
    return std::unique_lock(mutex_);
  }
  const std::string& name() const { return name_; }  // before the device was locked
  ErrorAction action() const { return action_; }

 private:
  BlockBackend& disk_;
  std::mutex mutex_;
  std::string name_;
  ErrorAction action_ = ErrorAction::kIgnore;
};

TEST_F(Graph, ADeletedDriveIsADevicesAllAtOnce) {
  DriveSpec drive;
  drive.id = "x0";
  drive.node = FileSpec("f", dir_.Image("a", kMiB));
  ASSERT_EQ(MessageOf(graph_.AddDrive(drive)), "");
  auto disk = graph_.Attach("x0", {.qdev = "d", .werror = ErrorPolicy::kStop});
  ASSERT_TRUE(disk);
  std::vector<std::string> names;
  graph_.SetErrorSink([&](const BlockIoError& error) { names.push_back(error.device); });
  RestlessOwner owner(**disk);
  (*disk)->set_owner(&owner);
  ASSERT_EQ(MessageOf(graph_.RemoveDrive("x0")), "");
  EXPECT_EQ(owner.name(), "x0");
  EXPECT_EQ(owner.action(), ErrorAction::kReport);
  EXPECT_EQ(names, std::vector<std::string>{""});
  EXPECT_TRUE(graph_.Nodes().empty());
  (*disk)->set_owner(nullptr);
}

TEST_F(Graph, UnknownDrive) {
  auto disk = graph_.Attach("zz", {});
  ASSERT_FALSE(disk);
  EXPECT_EQ(disk.error().message, "can't find value 'zz'");
}

TEST_F(Graph, ResizeTellsTheDevicesAbove) {
  const std::string path = dir_.Image("a", kMiB);
  ASSERT_EQ(AddError(FileSpec("f", path)), "");
  ASSERT_EQ(AddError(Raw("r", "f")), "");
  int told = 0;
  auto disk = graph_.Attach("r", {.qdev = "d"});
  ASSERT_TRUE(disk);
  (*disk)->set_resized([&] { ++told; });
  EXPECT_EQ(MessageOf(graph_.Resize(*graph_.FindNode("f"), 2 * kMiB + 1)), "");
  EXPECT_EQ(told, 1);
  EXPECT_EQ((*disk)->length(), 2 * kMiB + 512);
  EXPECT_EQ(std::filesystem::file_size(path), 2 * kMiB + 1);
  EXPECT_EQ(MessageOf(graph_.Resize(*graph_.FindNode("r"), kMiB)), "");
  EXPECT_EQ((*disk)->length(), kMiB);
}

TEST_F(Graph, AWriteUnderWayEndsBeforeTheFileShrinks) {
  BlockNodeSpec spec = FileSpec("f", dir_.Image("a", kMiB));
  spec.aio = AioMode::kThreads;
  ASSERT_EQ(AddError(spec), "");
  ASSERT_EQ(AddError(Raw("r", "f")), "");
  io::AsioEventLoop loop;
  auto disk = graph_.Attach("r", {.qdev = "d"});
  ASSERT_TRUE(disk);
  DiskUser user(loop, std::move(*disk));
  std::string data(64 * kKiB, 'w');  // more than is copied at once to a file in memory
  const iovec iov{data.data(), data.size()};
  BlockRequest request{
      .op = BlockOp::kWrite, .offset = kMiB / 2, .bytes = data.size(), .iov = {&iov, 1}};
  int error;
  GatedOwner owner(graph_.workers(), user);
  user.disk().set_owner(&owner);
  user.Submit(request, &error);
  EXPECT_EQ(MessageOf(graph_.Resize(*graph_.FindNode("f"), kMiB / 4)), "");
  owner.Open();
  user.Wait();
  EXPECT_EQ(error, 0);
  EXPECT_EQ(std::filesystem::file_size(spec.filename), kMiB / 4);
}

TEST_F(Graph, ResizeOfWhatCannotBe) {
  BlockNodeSpec spec = FileSpec("f", dir_.Image("a", kMiB));
  spec.read_only = true;
  ASSERT_EQ(AddError(spec), "");
  ASSERT_EQ(AddError(Null("n")), "");
  EXPECT_EQ(MessageOf(graph_.Resize(*graph_.FindNode("f"), 0)), "Image is read-only");
  EXPECT_EQ(MessageOf(graph_.Resize(*graph_.FindNode("n"), 0)),
            "Image format driver does not support resize");
}

}  // namespace
}  // namespace davit::backend
