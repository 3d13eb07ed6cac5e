// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
#include "vmm/virtio/scsi/command.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace davit::virtio::scsi {
namespace {

using Bytes = std::vector<uint8_t>;
using Kind = Command::Kind;

class ScsiCommand : public testing::Test {
 protected:
  ScsiCommand() {
    unit_.blocks = 2048;
    unit_.vendor = "QEMU";
    unit_.product = "QEMU HARDDISK";
    unit_.version = "2.5+";
    unit_.serial = "s1";
    unit_.device_id = "s1";
  }
  Command Run(Bytes cdb, Bytes parameters = {}) {
    return Execute(cdb, parameters, unit_, luns_, kNoSense, tray_);
  }
  // "5/24/0" or "good".
  std::string SenseOf(Bytes cdb, Bytes parameters = {}) {
    const Command command = Run(std::move(cdb), std::move(parameters));
    if (command.status == kGood) return "good";
    const Sense& s = command.sense;
    return std::to_string(s.key) + "/" + std::to_string(s.asc) + "/" + std::to_string(s.ascq);
  }

  Unit unit_;
  Tray tray_;
  std::vector<uint16_t> luns_{0, 3, 300};
};

constexpr const char* kField = "5/36/0";
constexpr const char* kLba = "5/33/0";
constexpr const char* kOpcode = "5/32/0";

TEST_F(ScsiCommand, InquiryNamesTheDisk) {
  const Command command = Run({0x12, 0, 0, 0, 96});
  ASSERT_EQ(command.data.size(), 36u);
  EXPECT_EQ(command.data[0], 0);
  EXPECT_EQ(command.data[4], 31);
  EXPECT_EQ(std::string(command.data.begin() + 8, command.data.end()),
            "QEMU    QEMU HARDDISK   2.5+");
  EXPECT_EQ(Run({0x12, 0, 0, 0, 5}).data.size(), 5u);
  EXPECT_EQ(SenseOf({0x12, 0, 1, 0, 96}), kField);
}

TEST_F(ScsiCommand, VitalProductData) {
  EXPECT_EQ(Run({0x12, 1, 0, 0, 96}).data, (Bytes{0, 0, 0, 6, 0x00, 0x80, 0x83, 0xb0, 0xb1, 0xb2}));
  EXPECT_EQ(Run({0x12, 1, 0x80, 0, 96}).data, (Bytes{0, 0x80, 0, 2, 's', '1'}));
  EXPECT_EQ(Run({0x12, 1, 0x83, 0, 96}).data, (Bytes{0, 0x83, 0, 6, 2, 0, 0, 2, 's', '1'}));
  EXPECT_EQ(Run({0x12, 1, 0xb0, 0, 96}).data.size(), 64u);
  EXPECT_EQ(Run({0x12, 1, 0xb1, 0, 96}).data.size(), 64u);
  EXPECT_EQ(Run({0x12, 1, 0xb2, 0, 96}).data, (Bytes{0, 0xb2, 0, 4, 0, 0xe0, 1, 0}));
  EXPECT_EQ(SenseOf({0x12, 1, 0xc0, 0, 96}), kField);
  unit_.serial.clear();
  EXPECT_EQ(SenseOf({0x12, 1, 0x80, 0, 96}), kField);
}

TEST_F(ScsiCommand, CapacityInBothForms) {
  EXPECT_EQ(Run({0x25}).data, (Bytes{0, 0, 7, 0xff, 0, 0, 2, 0}));
  unit_.blocks = uint64_t{1} << 33;
  EXPECT_EQ(Run({0x25}).data, (Bytes{0xff, 0xff, 0xff, 0xff, 0, 0, 2, 0}));
  const Bytes data = Run({0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32}).data;
  ASSERT_EQ(data.size(), 32u);
  EXPECT_EQ(Bytes(data.begin(), data.begin() + 12),
            (Bytes{0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0, 0, 2, 0}));
  EXPECT_EQ(SenseOf({0x9e, 0x11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32}), kField);
}

TEST_F(ScsiCommand, ModeSenseTellsOfTheCacheAndOfReadOnly) {
  Bytes data = Run({0x1a, 8, 8, 0, 255}).data;
  ASSERT_EQ(data.size(), 24u);
  EXPECT_EQ(data[0], 23);
  EXPECT_EQ(data[2], 0);
  EXPECT_EQ(data[6], 4);
  unit_.write_cache = false;
  unit_.read_only = true;
  data = Run({0x5a, 0, 8, 0, 0, 0, 0, 0, 255}).data;
  ASSERT_EQ(data.size(), 36u);
  EXPECT_EQ(data[1], 34);
  EXPECT_EQ(data[3], 0x80);
  EXPECT_EQ(data[7], 8);
  EXPECT_EQ(data[18], 0);
  EXPECT_EQ(SenseOf({0x1a, 0, 0xc8, 0, 255}), "5/57/0");
  EXPECT_EQ(SenseOf({0x1a, 0, 0x1c, 0, 255}), kField);
}

TEST_F(ScsiCommand, ReportLunsIsSortedAndHasLunZero) {
  luns_ = {3, 300};
  EXPECT_EQ(Run({0xa0, 0, 0, 0, 0, 0, 0, 0, 1, 0}).data,
            (Bytes{0, 0, 0, 24, 0, 0, 0, 0, 0,    0,    0, 0, 0, 0, 0, 0,  //
                   0, 3, 0, 0,  0, 0, 0, 0, 0x41, 0x2c, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(SenseOf({0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 8}), kField);
}

TEST_F(ScsiCommand, ReadsAndWritesInEachLength) {
  const Command six = Run({0x08, 0, 0, 4, 0});
  EXPECT_EQ(six.kind, Kind::kRead);
  EXPECT_EQ(six.extents[0].offset, 2048u);
  EXPECT_EQ(six.extents[0].bytes, 256u * 512);
  EXPECT_EQ(Run({0x28, 0, 0, 0, 0, 1, 0, 0, 2}).extents[0].bytes, 1024u);
  EXPECT_EQ(Run({0xa8, 0, 0, 0, 0, 1, 0, 0, 0, 2}).extents[0].bytes, 1024u);
  EXPECT_EQ(Run({0x88, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2}).extents[0].bytes, 1024u);
  EXPECT_EQ(Run({0x0a, 0, 0, 1, 1}).kind, Kind::kWrite);
  EXPECT_FALSE(Run({0x2a, 0, 0, 0, 0, 1, 0, 0, 2}).fua);
  EXPECT_TRUE(Run({0x2a, 8, 0, 0, 0, 1, 0, 0, 2}).fua);
  EXPECT_EQ(Run({0x28, 0, 0, 0, 0, 1, 0, 0, 0}).kind, Kind::kAnswer);
}

TEST_F(ScsiCommand, BeyondTheEndIsRefusedWithoutWrapping) {
  EXPECT_EQ(SenseOf({0x28, 0, 0, 0, 8, 0, 0, 0, 1}), kLba);
  EXPECT_EQ(SenseOf({0x28, 0, 0, 0, 7, 0xff, 0, 0, 2}), kLba);
  EXPECT_EQ(SenseOf({0x88, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 2}), kLba);
  EXPECT_EQ(SenseOf({0x88, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff}), kLba);
  EXPECT_EQ(SenseOf({0x35, 0, 0, 0, 8, 1}), kLba);
  EXPECT_EQ(SenseOf({0x93, 9, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 2}), kLba);
}

TEST_F(ScsiCommand, WritesToAReadOnlyDiskAreRefused) {
  unit_.read_only = true;
  EXPECT_EQ(SenseOf({0x2a, 0, 0, 0, 0, 1, 0, 0, 2}), "7/39/0");
  EXPECT_EQ(SenseOf({0x93, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}), "7/39/0");
}

TEST_F(ScsiCommand, ProtectionInformationIsRefused) {
  EXPECT_EQ(SenseOf({0x28, 0x20, 0, 0, 0, 1, 0, 0, 2}), kField);
}

Bytes UnmapList(uint16_t length, uint16_t descriptors, const Bytes& body) {
  Bytes list(8 + body.size());
  list[0] = static_cast<uint8_t>(length >> 8);
  list[1] = static_cast<uint8_t>(length);
  list[2] = static_cast<uint8_t>(descriptors >> 8);
  list[3] = static_cast<uint8_t>(descriptors);
  std::copy(body.begin(), body.end(), list.begin() + 8);
  return list;
}

TEST_F(ScsiCommand, UnmapTakesItsExtents) {
  const Bytes cdb{0x42, 0, 0, 0, 0, 0, 0, 0, 40};
  const Command command =
      Run(cdb, UnmapList(38, 32, {0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0,
                                  0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(command.kind, Kind::kDiscard);
  ASSERT_EQ(command.extents.size(), 1u);
  EXPECT_EQ(command.extents[0].offset, 512u);
  EXPECT_EQ(command.extents[0].bytes, 1024u);
}

TEST_F(ScsiCommand, UnmapListsThatLieAreRefused) {
  const Bytes cdb{0x42, 0, 0, 0, 0, 0, 0, 0, 24};
  const Bytes good{0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0};
  EXPECT_EQ(SenseOf(cdb, UnmapList(22, 16, good)), "good");
  EXPECT_EQ(SenseOf(cdb, {}), "5/26/0");
  EXPECT_EQ(SenseOf(cdb, UnmapList(22, 32, good)), "5/26/0");
  EXPECT_EQ(SenseOf(cdb, UnmapList(22, 15, good)), "5/26/0");
  EXPECT_EQ(SenseOf(cdb, UnmapList(0xffff, 16, good)), "5/26/0");
  EXPECT_EQ(SenseOf(cdb, UnmapList(22, 16, {0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 2, 0, 0, 0, 0})),
            kLba);
  EXPECT_EQ(
      SenseOf(cdb, UnmapList(22, 16, {0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0})),
      "5/38/0");
}

TEST_F(ScsiCommand, WriteSameOfZerosAlone) {
  const Bytes cdb{0x93, 8, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 8};
  const Command command = Run(cdb, Bytes(512));
  EXPECT_EQ(command.kind, Kind::kWriteZeroes);
  EXPECT_TRUE(command.unmap);
  EXPECT_EQ(command.extents[0].bytes, 4096u);
  EXPECT_EQ(SenseOf(cdb, Bytes(512, 1)), kField);
  EXPECT_EQ(SenseOf(cdb, Bytes(511)), kField);
  EXPECT_EQ(SenseOf({0x93, 9, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 8}), "good");
  EXPECT_EQ(SenseOf({0x93, 9, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0}), kField);
}

TEST_F(ScsiCommand, CdromReadsAndHasATableOfContents) {
  unit_.cdrom = unit_.read_only = unit_.removable = true;
  unit_.block_size = unit_.physical_block_size = 2048;
  EXPECT_EQ(Run({0x12, 0, 0, 0, 96}).data[0], 5);
  EXPECT_EQ(Run({0x28, 0, 0, 0, 0, 1, 0, 0, 1}).extents[0].offset, 2048u);
  EXPECT_EQ(Run({0x43, 0, 0, 0, 0, 0, 0, 0, 255}).data,
            (Bytes{0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0, 0, 0x16, 0xaa, 0, 0, 0, 8, 0}));
  EXPECT_EQ(SenseOf({0x2a, 0, 0, 0, 0, 1, 0, 0, 1}), kOpcode);
}

TEST_F(ScsiCommand, WithoutAMediumADriveAnswersForItselfAlone) {
  unit_.cdrom = unit_.read_only = unit_.removable = true;
  unit_.medium = false;
  unit_.blocks = 0;
  constexpr const char* kNone = "2/58/0";
  for (const uint8_t opcode : {0x00, 0x08, 0x25, 0x28, 0x35, 0x43, 0x9e, 0xff}) {
    EXPECT_EQ(SenseOf({opcode}), kNone) << int{opcode};
  }
  for (const Bytes& cdb : {Bytes{0x12}, Bytes{0x03}, Bytes{0x1a, 0, 0x2a, 0, 64}, Bytes{0x1e},
                           Bytes{0x1b, 0, 0, 0, 3}, Bytes{0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8}}) {
    EXPECT_EQ(SenseOf(cdb), "good") << int{cdb[0]};
  }
  // With one, an open tray is the same.
  unit_.medium = true;
  unit_.blocks = 8;
  EXPECT_EQ(SenseOf({0x00}), "good");
  tray_.Move(true);
  EXPECT_EQ(SenseOf({0x00}), kNone);
}

TEST_F(ScsiCommand, ADriveTellsWhatItCanDo) {
  EXPECT_EQ(SenseOf({0x46}), kOpcode);  // a disk
  EXPECT_EQ(SenseOf({0xbd}), kOpcode);
  unit_.cdrom = unit_.removable = unit_.read_only = true;
  unit_.block_size = 2048;
  const Bytes get{0x46, 0, 0, 0, 0, 0, 0, 0, 64};
  const auto profiles = [&] {
    const Bytes data = Run(get).data;
    return data.size() == 40 ? Bytes{data[7], data[14], data[18]} : data;
  };
  EXPECT_EQ(Run(get).data,
            (Bytes{0, 0, 0,    36, 0, 0, 0, 8, 0, 0, 3, 8, 0, 0x10, 0,    0, 0,    8, 1, 0,
                   0, 1, 0x0b, 8,  0, 0, 0, 1, 1, 0, 0, 0, 0, 3,    0x0b, 4, 0x39, 0, 0, 0}));
  EXPECT_EQ(profiles(), (Bytes{0x08, 0, 1}));
  unit_.blocks = 360'001;
  EXPECT_EQ(profiles(), (Bytes{0x10, 1, 0}));
  tray_.Move(true);
  EXPECT_EQ(profiles(), (Bytes{0, 0, 0}));
  EXPECT_EQ(Run({0x46, 0, 0, 0, 0, 0, 0, 0, 8}).data.size(), 8u);
  EXPECT_EQ(Run({0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8}).data, (Bytes{0, 0, 0, 0, 0, 1, 0, 0}));
}

TEST_F(ScsiCommand, ADiscIsOneClosedSession) {
  unit_.cdrom = unit_.removable = unit_.read_only = true;
  unit_.block_size = 2048;
  const Bytes data = Run({0x51, 0, 0, 0, 0, 0, 0, 0, 34}).data;
  ASSERT_EQ(data.size(), 34u);
  EXPECT_EQ(Bytes(data.begin(), data.begin() + 9), (Bytes{0, 32, 0x0e, 1, 1, 1, 1, 0x20, 0}));
  EXPECT_EQ(SenseOf({0x51, 1, 0, 0, 0, 0, 0, 0, 34}), kField);
  unit_.medium = false;
  EXPECT_EQ(SenseOf({0x51, 0, 0, 0, 0, 0, 0, 0, 34}), "2/58/0");
}

TEST_F(ScsiCommand, StructuresOfADvd) {
  unit_.cdrom = unit_.removable = unit_.read_only = true;
  unit_.block_size = 2048;
  const auto read = [](uint8_t format, uint8_t layer = 0, uint8_t media = 0) {
    return Bytes{0xad, media, 0, 0, 0, 0, layer, format, 0x10, 0};
  };
  EXPECT_EQ(Run(read(0xff)).data,
            (Bytes{0, 18, 0, 0, 0, 0x40, 8, 4, 1, 0x40, 0, 8, 3, 0x40, 0, 192, 4, 0x40, 8, 4}));
  EXPECT_EQ(SenseOf(read(0)), "5/48/0");  // of a CD
  unit_.blocks = 400'000;
  const Bytes physical = Run(read(0)).data;
  ASSERT_EQ(physical.size(), 2052u);
  EXPECT_EQ(Bytes(physical.begin(), physical.begin() + 20),
            (Bytes{8, 2, 0, 0, 1, 0x0f, 1, 0, 0, 0, 0, 0, 0, 6, 0x1a, 0x7f, 0, 6, 0x1a, 0x7f}));
  EXPECT_EQ(Run(read(1)).data.size(), 8u);
  EXPECT_EQ(Run(read(4)).data.size(), 2052u);
  EXPECT_EQ(SenseOf(read(3)), kField);
  EXPECT_EQ(SenseOf(read(2)), kField);
  EXPECT_EQ(SenseOf(read(0, 1)), kField);
  EXPECT_EQ(SenseOf(read(0xff, 0, 1)), kField);
  unit_.medium = false;
  EXPECT_EQ(SenseOf(read(0)), "2/58/0");
  EXPECT_EQ(SenseOf(read(0xff)), "2/58/0");
}

TEST_F(ScsiCommand, StartStopMovesATrayThatIsNotLocked) {
  EXPECT_EQ(SenseOf({0x1b, 0, 0, 0, 2}), kField);  // a fixed disk
  EXPECT_EQ(SenseOf({0x1e, 0, 0, 0, 1}), "good");
  EXPECT_FALSE(tray_.locked());
  unit_.removable = true;
  EXPECT_EQ(SenseOf({0x1e, 0, 0, 0, 1}), "good");
  EXPECT_EQ(SenseOf({0x1b, 0, 0, 0, 2}), "5/83/2");
  unit_.medium = false;
  EXPECT_EQ(SenseOf({0x1b, 0, 0, 0, 2}), "2/83/2");
  EXPECT_EQ(SenseOf({0x1b, 0, 0, 0, 0}), "good");  // it stops, and stays in
  EXPECT_FALSE(tray_.open());
  EXPECT_EQ(SenseOf({0x1e, 0, 0, 0, 0}), "good");
  EXPECT_EQ(SenseOf({0x1b, 0, 0, 0, 2}), "good");
  EXPECT_TRUE(tray_.open());
  EXPECT_EQ(SenseOf({0x1b, 0, 0, 0, 3}), "good");
  EXPECT_FALSE(tray_.open());
  EXPECT_EQ(SenseOf({0x1b, 0, 0, 0, 0x12}), kField);
}

TEST_F(ScsiCommand, EventsAreThoseOfMedia) {
  EXPECT_EQ(SenseOf({0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8}), kField);  // a disk
  unit_.cdrom = unit_.removable = true;
  EXPECT_EQ(SenseOf({0x4a, 0, 0, 0, 0x10, 0, 0, 0, 8}), kField);  // not polled
  EXPECT_EQ(Run({0x4a, 1, 0, 0, 0x02, 0, 0, 0, 8}).data, (Bytes{0, 0, 0x80, 0x10}));
  EXPECT_EQ(Run({0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8}).data, (Bytes{0, 4, 4, 0x10, 0, 2, 0, 0}));
  EXPECT_EQ(Run({0x4a, 1, 0, 0, 0x10, 0, 0, 0, 4}).data.size(), 4u);
}

TEST_F(ScsiCommand, TheMoreUrgentUnitAttentionIsToldFirst) {
  const auto first = [](const Sense& a, const Sense& b) { return MoreUrgent(a, b).asc; };
  EXPECT_EQ(first(kNoSense, kTrayWasMoved), 0x3a);
  EXPECT_EQ(first(kPowerOn, kMediumMayHaveChanged), 0x29);
  EXPECT_EQ(first(kTrayWasMoved, kPowerOn), 0x29);
  EXPECT_EQ(first(kTrayWasMoved, kMediumMayHaveChanged), 0x28);
  EXPECT_EQ(first(kLunsHaveChanged, kCapacityHasChanged), 0x2a);
}

TEST_F(ScsiCommand, AnythingElseIsAnInvalidOpcode) {
  for (const uint8_t opcode : {0x01, 0x04, 0x15, 0x55, 0xa3, 0xff}) {
    EXPECT_EQ(SenseOf({opcode}), kOpcode);
  }
  EXPECT_EQ(SenseOf({0x43}), kOpcode);
}

TEST_F(ScsiCommand, AnAbsentLunAnswersForTheTarget) {
  EXPECT_EQ(ExecuteAbsent(Bytes{0x12, 0, 0, 0, 36}, luns_).data[0], 0x7f);
  EXPECT_EQ(ExecuteAbsent(Bytes{0xa0, 0, 0, 0, 0, 0, 0, 0, 1, 0}, luns_).data.size(), 32u);
  EXPECT_EQ(ExecuteAbsent(Bytes{0x00}, luns_).sense.asc, 0x25);
  EXPECT_EQ(ExecuteAbsent(Bytes{0x03, 0, 0, 0, 18}, luns_).data[12], 0x25);
}

}  // namespace
}  // namespace davit::virtio::scsi
