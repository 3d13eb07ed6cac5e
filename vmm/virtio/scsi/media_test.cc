// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Removable units: the tray by itself, and a disk whose medium goes while the error policy keeps a
// request of it.
#include <gtest/gtest.h>

#include <cstring>

#include "vmm/backend/block/test_support.h"
#include "vmm/virtio/scsi/scsi.h"
#include "vmm/virtio/testing/driver.h"

namespace davit::virtio::scsi {
namespace {

using backend::FileSizeLimit;
using Event4 = std::array<uint8_t, 4>;

TEST(Tray, EventsAreToldOnceAndNotWhileItIsOpen) {
  Tray tray;
  EXPECT_EQ(tray.TakeEvent(true), (Event4{0, 2, 0, 0}));
  tray.Move(true);
  EXPECT_EQ(tray.TakeEvent(true), (Event4{0, 1, 0, 0}));
  tray.Move(false);
  EXPECT_EQ(tray.TakeEvent(false), (Event4{2, 0, 0, 0}));
  EXPECT_EQ(tray.TakeEvent(true), (Event4{0, 2, 0, 0}));
  tray.RequestEject(false);
  EXPECT_EQ(tray.TakeEvent(true), (Event4{1, 2, 0, 0}));
  EXPECT_EQ(tray.TakeEvent(true), (Event4{0, 2, 0, 0}));
  // What was asked for has happened.
  tray.RequestEject(false);
  tray.Move(true);
  tray.Move(false);
  EXPECT_EQ(tray.TakeEvent(true), (Event4{2, 2, 0, 0}));
  EXPECT_EQ(tray.TakeEvent(true), (Event4{0, 2, 0, 0}));
}

TEST(Tray, AChangedMediumIsOneClosing) {
  Tray tray;
  tray.Move(true);
  EXPECT_FALSE(tray.TakeChanged());
  tray.Move(false);
  EXPECT_TRUE(tray.TakeChanged());
  EXPECT_FALSE(tray.TakeChanged());
  // The guest's own moves tell it nothing new.
  tray.set_open(true);
  tray.set_open(false);
  EXPECT_FALSE(tray.TakeChanged());
}

TEST(Tray, ForceAndResetUnlock) {
  Tray tray;
  tray.set_locked(true);
  tray.RequestEject(false);
  EXPECT_TRUE(tray.locked());
  tray.RequestEject(true);
  EXPECT_FALSE(tray.locked());
  tray.set_locked(true);
  tray.Move(true);
  tray.Reset();
  EXPECT_FALSE(tray.locked() || tray.open());
}

class Media : public ::testing::Test {
 protected:
  static constexpr uint64_t kDiskBytes = 1 << 20;

  void Open() {
    ASSERT_TRUE(graph_.AddNode(backend::FileSpec("f0", dir_.Image("a.img", kDiskBytes))));
    ASSERT_TRUE(graph_.AddNode(backend::FileSpec("f1", dir_.Image("b.img", kDiskBytes / 2))));
    graph_.SetTraySink([this](const backend::TrayMoved& moved) { moves_.push_back(moved); });
    auto disk = graph_.Attach("f0", {.qdev = "d0", .werror = backend::ErrorPolicy::kStop});
    ASSERT_TRUE(disk);
    disk_ = disk->get();
    auto device = ScsiDevice::Create({});
    ASSERT_TRUE(device);
    Unit unit;
    unit.removable = true;
    ASSERT_TRUE((*device)->AddFirstUnit({.target = 0, .lun = 0, .unit = unit}, std::move(*disk)));
    driver_ = std::make_unique<testing::Driver>(std::move(*device), testing::DriverOptions{});
    EXPECT_EQ(Run({0x00}), 0x062900u);
  }
  void TearDown() override { driver_.reset(); }

  void Add(std::vector<uint8_t> cdb, const std::string& out) {
    cdb.resize(kDefaultCdbSize);
    CommandHeader header{};
    header.lun = {1};
    auto chain = driver_->queue(2).Add();
    chain.Readable(header).Readable(std::string(cdb.begin(), cdb.end()));
    if (!out.empty()) chain.Readable(out);
    chain.Writable(sizeof(CommandResponse) + kDefaultSenseSize).Publish();
    driver_->queue(2).Kick();
    driver_->frontend().device().Drain();
  }
  // The VM goes on, and what was kept comes to its end.
  void Resume() {
    driver_->frontend().OnRunning(true);
    driver_->loop().RunPosted();
    driver_->frontend().device().Drain();
  }
  // Sense data of the one command that has come back, as 0xKKAACC; 0: good; ~0: it has not.
  uint32_t TakeSense() {
    const auto used = driver_->queue(2).CollectUsed();
    if (used.size() != 1) return ~0u;
    const std::vector<uint8_t>& bytes = used[0].bytes;
    CommandResponse head;
    memcpy(&head, bytes.data(), sizeof(head));
    if (head.status == kGood) return 0;
    const uint8_t* const sense = bytes.data() + sizeof(head);
    return uint32_t{sense[2]} << 16 | uint32_t{sense[12]} << 8 | sense[13];
  }
  uint32_t Run(std::vector<uint8_t> cdb, const std::string& out = "") {
    Add(std::move(cdb), out);
    return TakeSense();
  }

  backend::TempDir dir_;
  backend::PathOpener opener_;
  backend::BlockGraph graph_{opener_};
  std::vector<backend::TrayMoved> moves_;
  backend::BlockBackend* disk_ = nullptr;
  std::unique_ptr<testing::Driver> driver_;
};

TEST_F(Media, TheDiskIsTheMediumThatIsIn) {
  Open();
  ASSERT_NE(disk_->tray(), nullptr);
  disk_->tray()->MoveTray(true);
  EXPECT_EQ(Run({0x00}), 0x063a00u);
  EXPECT_EQ(Run({0x00}), 0x023a00u);
  ASSERT_TRUE(disk_->ChangeMedium(graph_.FindNode("f1")));
  disk_->tray()->MoveTray(false);
  EXPECT_EQ(Run({0x00}), 0x063a00u);
  EXPECT_EQ(Run({0x00}), 0x062800u);
  EXPECT_EQ(Run({0x2a, 0, 0, 0, 4, 0, 0, 0, 1}, std::string(512, 'x')), 0x052100u);  // beyond
  EXPECT_EQ(Run({0x2a, 0, 0, 0, 0, 0, 0, 0, 1}, std::string(512, 'x')), 0u);
  EXPECT_EQ(backend::ReadFile(dir_ / "b.img")[0], 'x');
  EXPECT_EQ(backend::ReadFile(dir_ / "a.img")[0], '\0');
  ASSERT_EQ(moves_.size(), 2u);
  EXPECT_EQ(moves_[0].qdev, "d0");
  EXPECT_TRUE(moves_[0].open && !moves_[0].by_guest && !moves_[1].open);
}

TEST_F(Media, TheGuestsOwnMovesAreTold) {
  Open();
  EXPECT_EQ(Run({0x1b, 0, 0, 0, 2}), 0u);
  EXPECT_EQ(Run({0x1b, 0, 0, 0, 2}), 0u);  // it is open
  EXPECT_TRUE(disk_->tray()->tray_open());
  EXPECT_EQ(Run({0x1b, 0, 0, 0, 3}), 0u);
  ASSERT_EQ(moves_.size(), 2u);
  EXPECT_TRUE(moves_[0].open && moves_[0].by_guest && !moves_[1].open && moves_[1].by_guest);
}

TEST_F(Media, AKeptRequestWhoseMediumHasGoneEndsWithoutOne) {
  Open();
  {
    const FileSizeLimit limit(4096);
    Add({0x2a, 0, 0, 0, 0, 8, 0, 0, 1}, std::string(512, 'e'));
  }
  EXPECT_EQ(TakeSense(), ~0u);  // it is kept
  driver_->frontend().OnRunning(false);
  disk_->tray()->MoveTray(true);
  ASSERT_TRUE(disk_->ChangeMedium(nullptr));
  EXPECT_TRUE(graph_.RemoveNode("f0"));
  Resume();
  EXPECT_EQ(TakeSense(), 0x023a00u);
  EXPECT_EQ(disk_->length(), 0u);
}

TEST_F(Media, AKeptRequestDoesNotReachAnotherMedium) {
  Open();
  {
    const FileSizeLimit limit(4096);
    Add({0x2a, 0, 0, 0, 4, 8, 0, 0, 1}, std::string(512, 'e'));  // behind the end of b.img
  }
  EXPECT_EQ(TakeSense(), ~0u);
  driver_->frontend().OnRunning(false);
  disk_->tray()->MoveTray(true);
  ASSERT_TRUE(disk_->ChangeMedium(nullptr));
  ASSERT_TRUE(disk_->ChangeMedium(graph_.FindNode("f1")));
  disk_->tray()->MoveTray(false);
  Resume();
  EXPECT_EQ(TakeSense(), 0x062800u);
  EXPECT_EQ(backend::ReadFile(dir_ / "b.img"), std::string(kDiskBytes / 2, '\0'));
}

TEST_F(Media, AKeptRequestStaysInsideADiskThatHasShrunk) {
  Open();
  {
    const FileSizeLimit limit(4096);
    Add({0x2a, 0, 0, 0, 4, 8, 0, 0, 1}, std::string(512, 'e'));
  }
  EXPECT_EQ(TakeSense(), ~0u);
  driver_->frontend().OnRunning(false);
  ASSERT_TRUE(graph_.Resize(*graph_.FindNode("f0"), kDiskBytes / 2));
  Resume();
  EXPECT_EQ(TakeSense(), 0x052100u);
  EXPECT_EQ(backend::ReadFile(dir_ / "a.img").size(), kDiskBytes / 2);
}

}  // namespace
}  // namespace davit::virtio::scsi
