// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Task management of commands that take their time: answers wait for what they name, and for
// nothing else.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>

#include "vmm/backend/block/test_support.h"
#include "vmm/virtio/scsi/scsi.h"
#include "vmm/virtio/testing/driver.h"

namespace davit::virtio::scsi {
namespace {

using Numbers = std::vector<int>;
using UnitAddress = std::pair<uint8_t, uint16_t>;

// Two units of a target and one of another, whose commands end when the device is drained.
class Tasks : public ::testing::Test {
 protected:
  Tasks() {
    auto device = ScsiDevice::Create({});
    EXPECT_TRUE(device);
    device_ = device->get();
    for (const UnitAddress& unit : {UnitAddress{0, 0}, {0, 1}, {1, 0}}) {
      backend::BlockNodeSpec spec =
          backend::Null("n" + std::to_string(unit.first) + std::to_string(unit.second));
      spec.null_size = 1 << 20;
      spec.latency_ns = 3'600'000'000'000;
      EXPECT_TRUE(graph_.AddNode(spec));
      auto disk = graph_.Attach(spec.node_name, {.qdev = "/machine/" + spec.node_name});
      EXPECT_TRUE(disk);
      EXPECT_TRUE(device_->AddFirstUnit({.target = unit.first, .lun = unit.second, .unit = {}},
                                        std::move(*disk)));
    }
    driver_ = std::make_unique<testing::Driver>(std::move(*device), testing::DriverOptions{});
    for (const LunAddress& unit : {kFirst, kSecond, kOther}) Add(unit, 0x00, 1);
    EXPECT_EQ(Responses(2), Numbers({kOk, kOk, kOk})) << "the unit attentions of power-on";
  }
  ~Tasks() override { driver_.reset(); }

  void Add(LunAddress lun, char operation, uint64_t tag) {
    CommandHeader header{};
    header.lun = lun;
    header.tag = tag;
    std::string cdb(kDefaultCdbSize, '\0');
    cdb[0] = operation;
    driver_->queue(2).Add().Readable(header).Readable(cdb).Writable(108).Publish();
    driver_->queue(2).Kick();
  }
  void AddFlush(LunAddress lun, uint64_t tag = 1) { Add(lun, 0x35, tag); }
  void AddTask(uint32_t subtype, LunAddress lun, uint64_t tag = 1) {
    TaskRequest request{};
    request.subtype = subtype;
    request.lun = lun;
    request.tag = tag;
    driver_->queue(kControlQueue).Add().Readable(request).Writable(1).Publish();
    driver_->queue(kControlQueue).Kick();
  }
  // Of what has come back, sorted: commands end in any order.
  Numbers Responses(uint16_t queue) {
    Numbers responses;
    const size_t at = queue == kControlQueue ? 0 : offsetof(CommandResponse, response);
    for (const auto& used : driver_->queue(queue).CollectUsed()) {
      responses.push_back(used.bytes.size() > at ? used.bytes[at] : -1);
    }
    std::sort(responses.begin(), responses.end());
    return responses;
  }

  static constexpr LunAddress kFirst{1, 0, 0, 0}, kSecond{1, 0, 0, 1}, kOther{1, 1, 0, 0};
  backend::PathOpener opener_;
  backend::BlockGraph graph_{opener_};
  ScsiDevice* device_ = nullptr;
  std::unique_ptr<testing::Driver> driver_;
};

TEST_F(Tasks, EveryResetWaitsForAllCommandsOfItsUnit) {
  for (int i = 0; i < 3; ++i) AddFlush(kFirst);
  for (int i = 0; i < 4; ++i) AddTask(kLunReset, kFirst);
  AddTask(kLunReset, kOther);
  EXPECT_EQ(Responses(kControlQueue), Numbers({kOk})) << "the other's, which has no commands";
  EXPECT_EQ(Responses(2), Numbers());
  device_->Drain();
  EXPECT_EQ(Responses(2), Numbers({kAborted, kAborted, kAborted}));
  EXPECT_EQ(Responses(kControlQueue), Numbers({kOk, kOk, kOk, kOk}));
}

TEST_F(Tasks, TagsNameCommands) {
  AddFlush(kFirst, 1);
  AddFlush(kFirst, 2);
  AddFlush(kSecond, 2);
  AddTask(kQueryTask, kFirst, 2);
  AddTask(kQueryTaskSet, kSecond);
  EXPECT_EQ(Responses(kControlQueue), Numbers({kFunctionSucceeded, kFunctionSucceeded}));
  AddTask(kQueryTask, kFirst, 3);
  AddTask(kQueryTaskSet, kOther);
  EXPECT_EQ(Responses(kControlQueue), Numbers({kOk, kOk}));
  AddTask(kAbortTask, kFirst, 3);
  EXPECT_EQ(Responses(kControlQueue), Numbers({kOk}));
  AddTask(kAbortTask, kFirst, 2);
  EXPECT_EQ(Responses(kControlQueue), Numbers());
  device_->Drain();
  EXPECT_EQ(Responses(2), Numbers({kOk, kOk, kAborted}));
  EXPECT_EQ(Responses(kControlQueue), Numbers({kOk}));
}

TEST_F(Tasks, ANexusResetWaitsForAllUnitsOfItsTarget) {
  AddFlush(kFirst);
  AddFlush(kSecond);
  AddFlush(kOther);
  AddTask(kNexusReset, kFirst);
  EXPECT_EQ(Responses(kControlQueue), Numbers());
  device_->Drain();
  EXPECT_EQ(Responses(2), Numbers({kOk, kAborted, kAborted}));
  EXPECT_EQ(Responses(kControlQueue), Numbers({kOk}));
}

TEST_F(Tasks, AnswersThatWaitGoWithTheirQueue) {
  AddFlush(kFirst);
  AddTask(kAbortTaskSet, kFirst);
  driver_->frontend().ResetQueue(kControlQueue);
  driver_->SetUpQueue(kControlQueue);
  AddTask(kAbortTaskSet, kFirst);
  device_->Drain();
  EXPECT_EQ(Responses(2), Numbers({kAborted}));
  EXPECT_EQ(Responses(kControlQueue), Numbers({kOk}));
}

}  // namespace
}  // namespace davit::virtio::scsi
