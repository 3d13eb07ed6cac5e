// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A CD-ROM drive whose medium comes and goes, end to end with a test as the guest: what a driver is
// told (MMC-6: no medium, unit attentions, GET EVENT STATUS NOTIFICATION), what it can do (lock,
// eject, load) and what QMP sees of that. Runs on QEMU, too.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/qtest/scsi_driver.h"
#include "tests/support/process.h"

namespace davit::qtest {
namespace {

namespace scsi = virtio::scsi;
using json::Object;
using json::Value;

constexpr uint32_t kBlock = 2048;
constexpr scsi::LunAddress kDrive{1, 0, 0, 0};
constexpr uint32_t kNoMedium = 0x023a00, kTrayWasMoved = 0x063a00, kMediumMayHaveChanged = 0x062800,
                   kRemovalPrevented = 0x055302, kEmptyRemovalPrevented = 0x025302;

Cdb StartStop(bool start, bool move) { return Cdb(0x1b).Set(4, 1, (move ? 2 : 0) | start); }
Cdb Prevent(bool on) { return Cdb(0x1e).Set(4, 1, on); }
Cdb MediaEvents(uint16_t room = 8) {
  return Cdb(0x4a).Set(1, 1, 1).Set(4, 1, 0x10).Set(7, 2, room);
}
Cdb Capabilities() { return Cdb(0x1a).Set(2, 1, 0x2a).Set(4, 1, 64); }

class MediaQtest : public ::testing::Test {
 protected:
  // more: properties of the drive and of the host.
  void Start(const std::string& drive, const std::string& host = "",
             std::vector<std::string> args = {}) {
    args.insert(args.begin(), {"-M", "q35"});
    args.insert(args.end(), {"-device", "virtio-scsi-pci,id=s0" + host, "-device",
                             "scsi-cd,bus=s0.0,id=cd0,scsi-id=0,lun=0" + drive});
    machine_ = std::make_unique<Machine>(args);
    driver_ = std::make_unique<ScsiDriver>(*machine_);
    ASSERT_TRUE(driver_->device().Start());
    EXPECT_EQ(Run(TestUnitReady()).sense, kSensePowerOn);
  }
  void StartWithMedium(const std::string& host = "", std::vector<std::string> args = {}) {
    args.insert(args.end(),
                {"-blockdev", "file,node-name=c0,read-only=on,filename=" + Image("c.iso", 'c')});
    Start(",drive=c0", host, std::move(args));
  }
  // An image full of `fill`.
  std::string Image(const std::string& name, char fill) {
    const std::string path = dir_.File(name);
    std::ofstream(path) << std::string(16 * kBlock, fill);
    return path;
  }
  Outcome Run(const Cdb& cdb, uint32_t in = 0) { return driver_->Run(cdb, "", in, kDrive); }
  uint32_t Ready() { return Run(TestUnitReady()).sense; }
  char FirstByte() {
    const Outcome read = Run(Read10(0, 1), kBlock);
    return read.good() && !read.data.empty() ? read.data[0] : '?';
  }
  // Event and status of the media descriptor, as 0xEESS.
  uint64_t Events() {
    const Outcome events = Run(MediaEvents(), 8);
    EXPECT_EQ(events.data.substr(0, 4), std::string("\0\4\4\x10", 4));
    return Be(events.data, 4, 2);
  }
  // The error of a command; empty: it went well.
  std::string Qmp(std::string_view command, Object arguments) {
    auto done = machine_->qmp().Execute(command, std::move(arguments));
    return done ? "" : done.error().message;
  }
  std::string OnDrive(std::string_view command) { return Qmp(command, {{"id", "cd0"}}); }
  std::string Change(const std::string& path) {
    return Qmp("blockdev-change-medium", {{"id", "cd0"}, {"filename", path}, {"format", "raw"}});
  }
  // Bytes a second; 0: as many as come.
  std::string Limit(int bps) {
    return Qmp("block_set_io_throttle", {{"id", "cd0"},
                                         {"bps", bps},
                                         {"bps_rd", 0},
                                         {"bps_wr", 0},
                                         {"iops", 0},
                                         {"iops_rd", 0},
                                         {"iops_wr", 0}});
  }
  int64_t ReadsDone() {
    const Value rows = machine_->Qmp("query-blockstats");
    const Value* const stats = rows.AsArray()->at(0).AsObject()->Find("stats");
    return *stats->AsObject()->Find("rd_operations")->AsInt();
  }
  // Whether the next DEVICE_TRAY_MOVED says "open"; -1: there is none.
  int Moved() {
    auto event = machine_->qmp().WaitEvent("DEVICE_TRAY_MOVED");
    if (!event) return -1;
    const Value* const open = event->data.AsObject()->Find("tray-open");
    return open == nullptr ? -1 : *open->AsBool();
  }
  // A member of the drive's row in query-block.
  Value Member(const char* name) {
    const Value rows = machine_->Qmp("query-block");
    const Value* const member = rows.AsArray()->at(0).AsObject()->Find(name);
    return member == nullptr ? Value() : *member;
  }

  testing::TempDir dir_;
  std::unique_ptr<Machine> machine_;
  std::unique_ptr<ScsiDriver> driver_;
};

TEST_F(MediaQtest, AnEmptyDriveAnswersForItselfAlone) {
  Start("");
  EXPECT_EQ(Ready(), kNoMedium);
  EXPECT_EQ(Be(Run(Inquiry(), 96).data, 0, 2), 0x0580U);
  EXPECT_TRUE(Run(Capabilities(), 64).good());
  EXPECT_EQ(Events(), 0x0000U);
  for (const Cdb& cdb : {Cdb(0x25), Read10(0, 1), Cdb(0x43).Set(7, 2, 12), Cdb(0x35)}) {
    EXPECT_EQ(Run(cdb, kBlock).sense, kNoMedium) << int{cdb.bytes[0]};
  }
  EXPECT_TRUE(Run(Prevent(true)).good());
  EXPECT_EQ(Run(StartStop(false, true)).sense, kEmptyRemovalPrevented);
}

TEST_F(MediaQtest, AnotherMediumIsToldByUnitAttentionsAndByAnEvent) {
  StartWithMedium();
  EXPECT_EQ(FirstByte(), 'c');
  ASSERT_EQ(Change(Image("d.iso", 'd')), "");
  EXPECT_EQ(Moved(), 1);
  EXPECT_EQ(Moved(), 0);
  EXPECT_EQ(Events(), 0x0202U);  // new medium; it is there
  EXPECT_EQ(Events(), 0x0002U);
  EXPECT_EQ(Ready(), kTrayWasMoved);
  EXPECT_EQ(Ready(), kMediumMayHaveChanged);
  EXPECT_EQ(Ready(), 0U);
  EXPECT_EQ(FirstByte(), 'd');
}

TEST_F(MediaQtest, TheStepsOfAChange) {
  StartWithMedium();
  machine_->Qmp("blockdev-add", {{"driver", "null-co"},
                                 {"node-name", "n0"},
                                 {"size", 4 * kBlock},
                                 {"read-zeroes", true},
                                 {"read-only", true}});
  ASSERT_EQ(OnDrive("blockdev-open-tray"), "");
  EXPECT_EQ(Moved(), 1);
  EXPECT_EQ(Ready(), kTrayWasMoved);
  EXPECT_EQ(Ready(), kNoMedium);  // it is in, but out of reach
  EXPECT_EQ(Events(), 0x0001U);
  ASSERT_EQ(OnDrive("blockdev-remove-medium"), "");
  EXPECT_EQ(Qmp("blockdev-del", {{"node-name", "c0"}}), "");
  ASSERT_EQ(Qmp("blockdev-insert-medium", {{"id", "cd0"}, {"node-name", "n0"}}), "");
  EXPECT_EQ(Ready(), kNoMedium);
  ASSERT_EQ(OnDrive("blockdev-close-tray"), "");
  EXPECT_EQ(Moved(), 0);
  EXPECT_EQ(Ready(), kTrayWasMoved);
  EXPECT_EQ(Ready(), kMediumMayHaveChanged);
  EXPECT_EQ(Ready(), 0U);
  EXPECT_EQ(Be(Run(Cdb(0x25), 8).data, 0, 4), 3U);
  EXPECT_EQ(FirstByte(), '\0');
}

// The same answers from QEMU: which profile is current, what a disc is, what is asked of a DVD.
TEST_F(MediaQtest, WhatADriverAsksADriveBeforeItReads) {
  const auto hex = [](const Outcome& outcome, size_t bytes) {
    std::string text;
    for (const char c : outcome.data.substr(0, bytes)) {
      constexpr char kDigits[] = "0123456789abcdef";
      text += {kDigits[uint8_t(c) >> 4], kDigits[uint8_t(c) & 15]};
    }
    return outcome.good() ? text : "";
  };
  const Cdb configuration = Cdb(0x46).Set(7, 2, 64);
  const Cdb mechanism = Cdb(0xbd).Set(8, 2, 8);
  const Cdb disc = Cdb(0x51).Set(7, 2, 34);
  const auto dvd = [](uint8_t format, uint8_t layer = 0, uint8_t media = 0) {
    return Cdb(0xad).Set(1, 1, media).Set(6, 1, layer).Set(7, 1, format).Set(8, 2, 4096);
  };
  const std::string features = "00010b08000000010100000000030b0439000000";
  const std::string structures = "001200000040080401400008034000c004400804";
  StartWithMedium();
  EXPECT_EQ(hex(Run(configuration, 64), 40),
            "0000002400000008"
            "0000030800100000"
            "00080100" +
                features);
  EXPECT_EQ(hex(Run(mechanism, 8), 8), "0000000000010000");
  EXPECT_EQ(hex(Run(disc, 34), 12), "00200e010101012000000000");
  EXPECT_EQ(Run(Cdb(0x51).Set(1, 1, 1).Set(7, 2, 34), 34).sense, kSenseInvalidField);
  EXPECT_EQ(Run(dvd(0), 4096).sense, 0x053000U);
  EXPECT_EQ(hex(Run(dvd(0xff), 4096), 20), structures);

  const std::string large = Image("dvd.iso", 'v');
  std::filesystem::resize_file(large, 400'000 * uint64_t{kBlock});
  ASSERT_EQ(Change(large), "");
  EXPECT_EQ(Ready(), kTrayWasMoved);
  EXPECT_EQ(Ready(), kMediumMayHaveChanged);
  EXPECT_EQ(hex(Run(configuration, 64), 40),
            "0000002400000010"
            "0000030800100100"
            "00080000" +
                features);
  EXPECT_EQ(hex(Run(dvd(0), 4096), 20), "08020000010f01000000000000061a7f00061a7f");
  EXPECT_EQ(hex(Run(dvd(1), 4096), 8), "0006000000000000");
  EXPECT_EQ(hex(Run(dvd(4), 4096), 8), "0802000000000000");
  EXPECT_EQ(Run(dvd(3), 4096).sense, kSenseInvalidField);
  EXPECT_EQ(Run(dvd(2), 4096).sense, kSenseInvalidField);
  EXPECT_EQ(Run(dvd(0, 1), 4096).sense, kSenseInvalidField);
  EXPECT_EQ(Run(dvd(0, 0, 1), 4096).sense, kSenseInvalidField);

  ASSERT_TRUE(Run(StartStop(false, true)).good());
  EXPECT_EQ(hex(Run(configuration, 64), 40),
            "0000002400000000"
            "0000030800100000"
            "00080000" +
                features);
  EXPECT_EQ(hex(Run(mechanism, 8), 8), "0000000000010000");
  EXPECT_EQ(Run(disc, 34).sense, kNoMedium);
  EXPECT_EQ(Run(dvd(0xff), 4096).sense, kNoMedium);
}

TEST_F(MediaQtest, ALockedTrayIsTheGuestsToOpen) {
  StartWithMedium();
  EXPECT_EQ(Be(Run(Capabilities(), 64).data, 4 + 6, 1) & 2, 0U);
  ASSERT_TRUE(Run(Prevent(true)).good());
  EXPECT_EQ(Be(Run(Capabilities(), 64).data, 4 + 6, 1) & 2, 2U);
  EXPECT_EQ(Member("locked"), Value(true));
  EXPECT_EQ(Run(StartStop(false, true)).sense, kRemovalPrevented);
  EXPECT_EQ(OnDrive("eject"),
            "Device 'cd0' is locked and force was not specified, wait for tray to open and try "
            "again");
  EXPECT_EQ(Events(), 0x0102U);  // an eject is asked for
  EXPECT_EQ(Events(), 0x0002U);
  EXPECT_EQ(OnDrive("blockdev-open-tray"), "");  // asks as well
  EXPECT_EQ(Events(), 0x0102U);
  EXPECT_EQ(Change(Image("d.iso", 'd')),
            "Device 'cd0' is locked and force was not specified, wait for tray to open and try "
            "again");
  EXPECT_EQ(Member("tray_open"), Value(false));
  EXPECT_EQ(FirstByte(), 'c');

  ASSERT_TRUE(Run(Prevent(false)).good());
  ASSERT_TRUE(Run(StartStop(false, true)).good());
  EXPECT_EQ(Moved(), 1);
  EXPECT_EQ(Ready(), kNoMedium);
  EXPECT_EQ(Member("tray_open"), Value(true));
  ASSERT_TRUE(Run(StartStop(true, true)).good());
  EXPECT_EQ(Moved(), 0);
  EXPECT_EQ(Ready(), 0U);
  EXPECT_EQ(FirstByte(), 'c');
}

TEST_F(MediaQtest, ForceOpensALockedTray) {
  StartWithMedium();
  ASSERT_TRUE(Run(Prevent(true)).good());
  ASSERT_EQ(Qmp("eject", {{"id", "cd0"}, {"force", true}}), "");
  EXPECT_EQ(Moved(), 1);
  EXPECT_EQ(Member("locked"), Value(false));
  EXPECT_EQ(Member("inserted"), Value());
  EXPECT_EQ(Ready(), kTrayWasMoved);
  EXPECT_EQ(Ready(), kNoMedium);
}

TEST_F(MediaQtest, AResetClosesAndUnlocksTheTray) {
  StartWithMedium();
  ASSERT_TRUE(Run(Prevent(true)).good());
  ASSERT_EQ(Qmp("blockdev-open-tray", {{"id", "cd0"}, {"force", true}}), "");
  ASSERT_TRUE(Run(Prevent(true)).good() || Run(Prevent(true)).good());  // past the unit attention
  ASSERT_TRUE(driver_->device().Start());
  EXPECT_EQ(Member("tray_open"), Value(false));
  EXPECT_EQ(Member("locked"), Value(false));
  EXPECT_EQ(Ready(), kSensePowerOn);
}

// What is on its way when the medium goes ends with the old one.
TEST_F(MediaQtest, NoRequestIsLostWhileTheMediumChanges) {
  if (Machine::IsQemu()) GTEST_SKIP() << "QEMU has no iothread there without KVM";
  StartWithMedium(",iothread=io0", {"-object", "iothread,id=io0,poll-max-ns=0"});
  Queue& queue = driver_->device().queue(scsi::kFirstRequestQueue);
  constexpr int kRequests = 32;
  char old = 'c';
  for (const char fill : {'d', 'e', 'f'}) {
    ASSERT_EQ(Limit(1), "");
    const int64_t before = ReadsDone();
    for (int i = 0; i < kRequests; ++i) {
      queue.Add(ScsiDriver::Command(Read10(0, 1), kDrive, "", kBlock));
    }
    queue.Kick();
    // Where one is back all have been taken, and the limit holds the others.
    for (int i = 0; i < kRequests; ++i) {
      const Outcome read = ScsiDriver::Parse(queue.Wait());
      ASSERT_TRUE(read.good()) << i;
      EXPECT_EQ(read.data, std::string(kBlock, old)) << i;
      if (i == 0) {
        EXPECT_EQ(ReadsDone(), before + 1);
        ASSERT_EQ(Change(Image(std::string(1, fill), fill)), "");
      }
    }
    ASSERT_EQ(Limit(0), "");
    EXPECT_EQ(Ready(), kTrayWasMoved);
    EXPECT_EQ(Ready(), kMediumMayHaveChanged);
    EXPECT_EQ(FirstByte(), fill);
    old = fill;
  }
}

}  // namespace
}  // namespace davit::qtest
