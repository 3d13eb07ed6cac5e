// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The SCSI host on an image: commands with data both ways, sense data, task management, events.
#include "vmm/virtio/scsi/scsi.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "vmm/backend/block/test_support.h"
#include "vmm/virtio/testing/driver.h"

namespace davit::virtio::scsi {
namespace {

using Bytes = std::vector<uint8_t>;

constexpr uint64_t kDiskBytes = 1 << 20;

class Scsi : public ::testing::Test {
 protected:
  Scsi() {
    EXPECT_TRUE(graph_.AddNode(backend::FileSpec("f0", path_)));
    auto disk = graph_.Attach("f0", {.qdev = "/machine/d0"});
    EXPECT_TRUE(disk);
    auto device = ScsiDevice::Create({});
    EXPECT_TRUE(device);
    device_ = device->get();
    EXPECT_TRUE(device_->AddFirstUnit({.target = 2, .lun = 1, .unit = {}}, std::move(*disk)));
    driver_ = std::make_unique<testing::Driver>(std::move(*device), testing::DriverOptions{});
    Run({0x00});  // takes the unit attention of power-on
  }
  ~Scsi() override { driver_.reset(); }

  static CommandHeader Header(LunAddress lun, uint64_t tag = 1) {
    CommandHeader header{};
    header.lun = lun;
    header.tag = tag;
    return header;
  }
  void OfferEvent() {
    driver_->queue(kEventQueue).Add().Writable(sizeof(Event)).Publish();
    driver_->queue(kEventQueue).Kick();
  }
  Event TakeEvent() {
    Event event{};
    const auto used = driver_->queue(kEventQueue).CollectUsed();
    EXPECT_EQ(used.size(), 1u);
    if (!used.empty()) memcpy(&event, used[0].bytes.data(), sizeof(event));
    return event;
  }
  struct Result {
    CommandResponse head;
    Bytes sense;
    std::string data;
  };
  Result Run(Bytes cdb, std::string out = "", uint32_t in = 0, LunAddress lun = {1, 2, 0, 1}) {
    cdb.resize(kDefaultCdbSize);
    const std::string text(cdb.begin(), cdb.end());
    auto chain = driver_->queue(2).Add();
    chain.Readable(Header(lun)).Readable(text);
    if (!out.empty()) chain.Readable(out);
    chain.Writable(sizeof(CommandResponse) + kDefaultSenseSize);
    if (in != 0) chain.Writable(in);
    chain.Publish();
    driver_->queue(2).Kick();
    device_->Drain();
    const auto used = driver_->queue(2).CollectUsed();
    Result result{};
    EXPECT_EQ(used.size(), 1u);
    if (used.size() != 1 || used[0].bytes.size() < sizeof(CommandResponse)) return result;
    memcpy(&result.head, used[0].bytes.data(), sizeof(result.head));
    const std::string all = used[0].text();
    result.sense.assign(used[0].bytes.begin() + sizeof(CommandResponse),
                        used[0].bytes.begin() + sizeof(CommandResponse) + result.head.sense_bytes);
    if (all.size() > sizeof(CommandResponse) + kDefaultSenseSize) {
      result.data = all.substr(sizeof(CommandResponse) + kDefaultSenseSize);
    }
    return result;
  }
  int RunTask(uint32_t subtype, LunAddress lun) {
    TaskRequest request{};
    request.subtype = subtype;
    request.lun = lun;
    driver_->queue(0).Add().Readable(request).Writable(1).Publish();
    driver_->queue(0).Kick();
    device_->Drain();
    const auto used = driver_->queue(0).CollectUsed();
    return used.size() == 1 && used[0].bytes.size() == 1 ? used[0].bytes[0] : -1;
  }

  backend::TempDir dir_;
  std::string path_ = dir_.Image("a.img", kDiskBytes);
  backend::PathOpener opener_;
  backend::BlockGraph graph_{opener_};
  ScsiDevice* device_ = nullptr;
  std::unique_ptr<testing::Driver> driver_;
};

TEST_F(Scsi, ConfigurationIsQemus) {
  const Config c = driver_->Config<Config>(0);
  EXPECT_EQ(c.num_queues, 1u);
  EXPECT_EQ(c.seg_max, 254u);
  EXPECT_EQ(c.max_sectors, 65535u);
  EXPECT_EQ(c.cmd_per_lun, 128u);
  EXPECT_EQ(c.event_info_size, 16u);
  EXPECT_EQ(c.sense_size, 96u);
  EXPECT_EQ(c.cdb_size, 32u);
  EXPECT_EQ(c.max_target, 255);
  EXPECT_EQ(c.max_lun, 16383u);
}

TEST_F(Scsi, WriteThenRead) {
  const std::string data(4096, 'x');
  Result result = Run({0x2a, 0, 0, 0, 0, 8, 0, 0, 8}, data);
  EXPECT_EQ(result.head.response, kOk);
  EXPECT_EQ(result.head.status, kGood);
  EXPECT_EQ(result.head.residual, 0u);
  result = Run({0x28, 0, 0, 0, 0, 8, 0, 0, 8}, "", 4096);
  EXPECT_EQ(result.data, data);
  EXPECT_EQ(backend::ReadFile(path_).substr(4096, 4096), data);
}

TEST_F(Scsi, ShortBuffersOverrunAndMoveNothing) {
  EXPECT_EQ(Run({0x28, 0, 0, 0, 0, 8, 0, 0, 8}, "", 4095).head.response, kOverrun);
  EXPECT_EQ(Run({0x2a, 0, 0, 0, 0, 8, 0, 0, 8}, std::string(512, 'q')).head.response, kOverrun);
  EXPECT_EQ(backend::ReadFile(path_).find('q'), std::string::npos);
}

TEST_F(Scsi, LongBuffersHaveAResidual) {
  const Result result = Run({0x28, 0, 0, 0, 0, 8, 0, 0, 1}, "", 4096);
  EXPECT_EQ(result.head.response, kOk);
  EXPECT_EQ(result.head.residual, 4096u - 512);
  EXPECT_EQ(result.data.size(), 512u);
}

TEST_F(Scsi, SenseDataForWhatCannotBeDone) {
  const Result result = Run({0x28, 0, 0xff, 0, 0, 8, 0, 0, 1}, "", 512);
  EXPECT_EQ(result.head.response, kOk);
  EXPECT_EQ(result.head.status, kCheckCondition);
  ASSERT_EQ(result.sense.size(), kSenseBytes);
  EXPECT_EQ(result.sense[0], 0x70);
  EXPECT_EQ(result.sense[2], 5);
  EXPECT_EQ(result.sense[12], 0x21);
}

TEST_F(Scsi, UnitAttentionAfterAResetOfTheUnit) {
  EXPECT_EQ(RunTask(kLunReset, {1, 2, 0, 1}), kOk);
  Result result = Run({0x00});
  ASSERT_EQ(result.sense.size(), kSenseBytes);
  EXPECT_EQ(result.sense[2], 6);
  EXPECT_EQ(result.sense[12], 0x29);
  EXPECT_EQ(Run({0x00}).head.status, kGood);
}

TEST_F(Scsi, AddressesThatAreNotThere) {
  EXPECT_EQ(Run({0x00}, "", 0, {1, 9, 0, 1}).head.response, kBadTarget);
  EXPECT_EQ(Run({0x00}, "", 0, {0, 2, 0, 1}).head.response, kBadTarget);
  EXPECT_EQ(Run({0x00}, "", 0, {1, 2, 0x80, 1}).head.response, kBadTarget);
  const Result result = Run({0x00}, "", 0, {1, 2, 0x40, 7});
  EXPECT_EQ(result.head.response, kOk);
  EXPECT_EQ(result.sense.at(12), 0x25);
  EXPECT_EQ(RunTask(kAbortTask, {1, 9, 0, 1}), kBadTarget);
  EXPECT_EQ(RunTask(kAbortTask, {1, 2, 0, 7}), kIncorrectLun);
}

TEST_F(Scsi, BothDirectionsAtOnceAreRefused) {
  EXPECT_EQ(Run({0x00}, "x", 1).head.response, kFailure);
}

TEST_F(Scsi, TasksWithNothingInFlight) {
  for (const uint32_t task : {kAbortTask, kAbortTaskSet, kClearTaskSet, kNexusReset, kQueryTask}) {
    EXPECT_EQ(RunTask(task, {1, 2, 0, 1}), kOk) << task;
  }
  EXPECT_EQ(RunTask(kClearAca, {1, 2, 0, 1}), kFunctionRejected);
  EXPECT_EQ(RunTask(99, {1, 2, 0, 1}), kFunctionRejected);
}

TEST_F(Scsi, UnmapAndWriteSameReachTheDisk) {
  Run({0x2a, 0, 0, 0, 0, 0, 0, 0, 8}, std::string(4096, 'x'));
  EXPECT_EQ(Run({0x93, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 2}, std::string(512, '\0')).head.status,
            kGood);
  const std::string image = backend::ReadFile(path_);
  EXPECT_EQ(image.substr(512, 512), std::string(512, 'x'));
  EXPECT_EQ(image.substr(1024, 1024), std::string(1024, '\0'));
  EXPECT_EQ(image.substr(2048, 512), std::string(512, 'x'));
  std::string list{0, 22, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0};
  const Result result = Run({0x42, 0, 0, 0, 0, 0, 0, 0, 24}, list);
  EXPECT_EQ(result.head.status, kGood);
  EXPECT_EQ(result.head.residual, 0u);
  EXPECT_EQ(Run({0x35}).head.status, kGood);
}

TEST_F(Scsi, ARemovedUnitIsNotThereAndItsDiskIsFree) {
  OfferEvent();
  device_->RemoveUnit(2, 1);
  EXPECT_FALSE(device_->HasUnit(2, 1));
  EXPECT_EQ(Run({0x00}).head.response, kBadTarget);
  const Event event = TakeEvent();
  EXPECT_EQ(event.event, kTransportReset);
  EXPECT_EQ(event.lun, (LunAddress{1, 2, 0, 1}));
  EXPECT_EQ(event.reason, kRemoved);
  EXPECT_TRUE(graph_.RemoveNode("f0"));
}

TEST_F(Scsi, AUnitThatComesIsToldAndTakesCommands) {
  device_->RemoveUnit(2, 1);
  OfferEvent();
  EXPECT_EQ(TakeEvent().event, kEventsMissed);  // there was no room to tell of the removal
  OfferEvent();
  auto disk = graph_.Attach("f0", {.qdev = "/machine/d1"});
  ASSERT_TRUE(disk);
  ASSERT_TRUE(device_->AddUnit({.target = 3, .lun = 0, .unit = {}}, std::move(*disk)));
  const Event event = TakeEvent();
  EXPECT_EQ(event.event, kTransportReset);
  EXPECT_EQ(event.lun, (LunAddress{1, 3, 0, 0}));
  EXPECT_EQ(event.reason, kRescan);
  EXPECT_EQ(Run({0x00}, "", 0, {1, 3, 0, 0}).sense[12], 0x29);  // power on
  EXPECT_EQ(Run({0x00}, "", 0, {1, 3, 0, 0}).head.status, kGood);
}

TEST_F(Scsi, ANewSizeIsAnEventAndAUnitAttention) {
  OfferEvent();
  ASSERT_TRUE(graph_.Resize(*graph_.FindNode("f0"), 2 * kDiskBytes));
  const Event event = TakeEvent();
  EXPECT_EQ(event.event, kParameterChange);
  EXPECT_EQ(event.lun, (LunAddress{1, 2, 0, 1}));
  EXPECT_EQ(event.reason, kCapacityChanged);
  const Result result = Run({0x00});
  ASSERT_EQ(result.sense.size(), kSenseBytes);
  EXPECT_EQ(result.sense[12], 0x2a);
  EXPECT_EQ(result.sense[13], 9);
}

TEST(ScsiCreate, RefusesBadNumbers) {
  EXPECT_FALSE(ScsiDevice::Create({.num_queues = 0}));
  EXPECT_FALSE(ScsiDevice::Create({.num_queues = 1023}));
  EXPECT_FALSE(ScsiDevice::Create({.queue_size = 2}));
  EXPECT_FALSE(ScsiDevice::Create({.queue_size = 100}));
}

}  // namespace
}  // namespace davit::virtio::scsi
