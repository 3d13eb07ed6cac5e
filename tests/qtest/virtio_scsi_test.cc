// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// virtio-scsi with a disk and a CD-ROM, end to end with a test as the guest, on both transports:
// commands against the image (SPC-5, SBC-4), sense data for what cannot be, task management, the
// event of a new size. Runs on QEMU, too.
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "tests/qtest/scsi_driver.h"
#include "tests/qtest/sealed_image.h"
#include "tests/support/process.h"

namespace davit::qtest {
namespace {

namespace scsi = virtio::scsi;
using json::Object;
using json::Value;
using Bytes = std::vector<uint8_t>;

constexpr uint64_t kDiskBytes = 1 << 20;
constexpr uint64_t kDiscBytes = 64 << 10;
constexpr scsi::LunAddress kDisk{1, 0, 0, 0}, kDisc{1, 0, 0x40, 2}, kNoLun{1, 0, 0, 9},
    kNoTarget{1, 5, 0, 0};

Cdb VitalPage(uint8_t page, uint16_t room = 255) {
  return Cdb(0x12).Set(1, 1, 1).Set(2, 1, page).Set(3, 2, room);
}
Cdb ReportLuns(uint32_t room = 256) { return Cdb(0xa0).Set(6, 4, room); }
Cdb Capacity16() { return Cdb(0x9e).Set(1, 1, 0x10).Set(10, 4, 32); }
Cdb Read16(uint64_t lba, uint32_t n) { return Cdb(0x88).Set(2, 8, lba).Set(10, 4, n); }
Cdb Write16(uint64_t lba, uint32_t n) { return Cdb(0x8a).Set(2, 8, lba).Set(10, 4, n); }

constexpr uint32_t kInvalidField = kSenseInvalidField, kBadLba = 0x052100, kNoSuchUnit = 0x052500,
                   kPowerOn = kSensePowerOn, kResized = 0x062a09;

class Host {
 public:
  explicit Host(const ScsiBoard& board, const std::string& properties = "",
                const std::vector<std::string>& more = {})
      : disk_(dir_.File("a.img")), disc_(dir_.File("c.iso")) {
    std::ofstream(disk_).close();
    std::filesystem::resize_file(disk_, kDiskBytes);
    std::ofstream(disc_) << std::string(kDiscBytes, 'c');
    std::vector<std::string> args = {"-M", board.machine};
    args.insert(args.end(), more.begin(), more.end());
    args.insert(args.end(), {"-blockdev", "file,node-name=f0,discard=unmap,filename=" + disk_,
                             "-blockdev", "file,node-name=c0,read-only=on,filename=" + disc_,
                             "-device", std::string(board.driver) + ",id=s0" + properties,
                             "-device", "scsi-hd,bus=s0.0,drive=f0,scsi-id=0,lun=0,serial=abc",
                             "-device", "scsi-cd,bus=s0.0,drive=c0,scsi-id=0,lun=2"});
    machine_ = std::make_unique<Machine>(args);
    driver_ = std::make_unique<ScsiDriver>(*machine_);
  }
  // With the unit attention of power-on taken from both units.
  bool Start() {
    if (!device().Start()) return false;
    return Run(TestUnitReady()).sense == kPowerOn &&
           Run(TestUnitReady(), "", 0, kDisc).sense == kPowerOn;
  }

  Machine& machine() { return *machine_; }
  Virtio& device() { return driver_->device(); }
  std::string Image() const {
    std::ifstream in(disk_, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  Outcome Run(const Cdb& cdb, std::string_view out = "", uint32_t in = 0,
              scsi::LunAddress lun = kDisk, uint16_t queue = scsi::kFirstRequestQueue) {
    return driver_->Run(cdb, out, in, lun, queue);
  }
  // The response of a task management function; -1: it did not come back.
  int Task(uint32_t function, scsi::LunAddress lun, uint64_t tag = 0) {
    scsi::TaskRequest task{};
    task.type = scsi::kControlTask;
    task.subtype = function;
    task.lun = lun;
    task.tag = tag;
    const auto used = device().queue(scsi::kControlQueue).Do(Request().Struct(task).Writable(1));
    return used && used->bytes.size() == 1 ? used->bytes[0] : -1;
  }

 private:
  testing::TempDir dir_;
  const std::string disk_, disc_;
  std::unique_ptr<Machine> machine_;
  std::unique_ptr<ScsiDriver> driver_;
};

class ScsiQtest : public ::testing::TestWithParam<ScsiBoard> {};

// A -drive is its unit's alone; a node outlives it.
TEST(ScsiDrives, ADriveGoesWithItsUnit) {
  const testing::TempDir dir;
  const std::string path = dir.File("a.img");
  std::ofstream(path) << std::string(512, 'x');
  Machine m({"-M", "q35", "-drive", "if=none,id=d0,format=raw,file=" + path, "-device",
             "virtio-scsi-pci,id=s0", "-device", "scsi-hd,drive=d0,id=h0", "-blockdev",
             "null-co,node-name=n0", "-device", "scsi-hd,drive=n0,id=h1"});
  for (const char* id : {"h0", "h1"}) {
    m.Qmp("device_del", {{"id", id}});
    const auto event = m.qmp().WaitEvent("DEVICE_DELETED");
    ASSERT_TRUE(event) << event.error();
    EXPECT_EQ(event->data["device"], json::Value(id));
  }
  EXPECT_TRUE(m.Qmp("query-block").AsArray()->empty());
  const json::Value nodes = m.Qmp("query-named-block-nodes");
  ASSERT_EQ(nodes.AsArray()->size(), 1u);
  EXPECT_EQ((*nodes.AsArray())[0]["node-name"], json::Value("n0"));
  const std::string again = "drive_add 0 if=none,id=d0,format=raw,file=" + path;
  EXPECT_EQ(m.Qmp("human-monitor-command", {{"command-line", again}}), json::Value("OK\r\n"));
}

// The device identification page has the id of the -drive; a node is named by nothing.
TEST(ScsiDrives, AUnitIsIdentifiedByItsDrive) {
  const testing::TempDir dir;
  const std::string path = dir.File("a.img");
  std::ofstream(path) << std::string(512, 'x');
  Machine m({"-M", "q35", "-drive", "if=none,id=drive0,format=raw,file=" + path, "-device",
             "virtio-scsi-pci,id=s0", "-device", "scsi-hd,drive=drive0,scsi-id=0", "-blockdev",
             "null-co,node-name=node0", "-device", "scsi-hd,drive=node0,scsi-id=1"});
  ScsiDriver driver(m);
  ASSERT_TRUE(driver.device().Start());
  const auto identification = [&](uint8_t target) {
    return driver.Run(VitalPage(0x83), "", 255, scsi::LunAddress{1, target, 0x40, 0}).data;
  };
  const std::string of_drive = identification(0), of_node = identification(1);
  EXPECT_EQ(Be(of_drive, 2, 2), 10U);
  EXPECT_EQ(of_drive.substr(8, 6), "drive0");
  EXPECT_EQ(Be(of_node, 2, 2), 0U);
}

TEST_P(ScsiQtest, InquiryTellsWhatTheUnitsAre) {
  Host host(GetParam());
  ASSERT_TRUE(host.Start());
  const Outcome disk = host.Run(Inquiry(), "", 96);
  ASSERT_TRUE(disk.good());
  EXPECT_EQ(Be(disk.data, 0, 2), 0U);
  EXPECT_EQ(disk.data.substr(8, 8), "QEMU    ");
  EXPECT_EQ(disk.data.substr(16, 16), "QEMU HARDDISK   ");
  EXPECT_EQ(disk.residual, 96 - (Be(disk.data, 4, 1) + 5));
  const Outcome disc = host.Run(Inquiry(), "", 96, kDisc);
  EXPECT_EQ(Be(disc.data, 0, 2), 0x0580U);
  EXPECT_EQ(disc.data.substr(16, 16), "QEMU CD-ROM     ");
  // No more than the CDB allows, nor than there is room for.
  EXPECT_EQ(host.Run(Inquiry(5), "", 96).residual, 91U);
  EXPECT_EQ(host.Run(VitalPage(0x80), "", 255).data.substr(0, 7), std::string("\0\x80\0\3abc", 7));
  const Outcome pages = host.Run(VitalPage(0), "", 255);
  for (const char page : {'\x80', '\x83', '\xb0', '\xb1', '\xb2'}) {
    EXPECT_NE(pages.data.substr(4, Be(pages.data, 2, 2)).find(page), std::string::npos);
  }
  EXPECT_EQ(host.Run(VitalPage(0xc7), "", 255).sense, kInvalidField);
  // A LUN that is not there answers for its target; a target that is not there does not answer.
  const Outcome absent = host.Run(Inquiry(), "", 96, kNoLun);
  ASSERT_TRUE(absent.good());
  EXPECT_EQ(Be(absent.data, 0, 1), 0x7fU);
  EXPECT_EQ(host.Run(TestUnitReady(), "", 0, kNoLun).sense, kNoSuchUnit);
  EXPECT_EQ(host.Run(Inquiry(), "", 96, kNoTarget).response, scsi::kBadTarget);
}

TEST_P(ScsiQtest, UnitsAreWhatTheirPropertiesSay) {
  Machine m({"-M", GetParam().machine, "-blockdev", "null-co,node-name=n0", "-device",
             std::string(GetParam().driver) + ",id=s0", "-device",
             "scsi-hd,bus=s0.0,drive=n0,scsi-id=3,lun=5,vendor=ACME,product=Disk,ver=1.0,serial=S1,"
             "device_id=dev-7,wwn=0x5000c50015ea71ac,rotation_rate=7200,removable=on,"
             "logical_block_size=4096,physical_block_size=4096,min_io_size=8192,"
             "opt_io_size=65536"});
  constexpr scsi::LunAddress kUnit{1, 3, 0x40, 5};
  ScsiDriver driver(m);
  ASSERT_TRUE(driver.device().Start());
  const auto page = [&](uint8_t number) {
    return driver.Run(VitalPage(number), "", 255, kUnit).data;
  };
  const std::string inquiry = driver.Run(Inquiry(), "", 96, kUnit).data;
  ASSERT_GE(inquiry.size(), 36U);
  EXPECT_EQ(inquiry[1], '\x80') << "removable";
  EXPECT_EQ(inquiry.substr(8, 28), std::string("ACME    Disk            1.0\0", 28));
  EXPECT_EQ(page(0x80).substr(0, 6), std::string("\0\x80\0\2S1", 6));
  EXPECT_NE(page(0x83).find("dev-7"), std::string::npos);
  EXPECT_NE(page(0x83).find("\x50\0\xc5\0\x15\xea\x71\xac", 0, 8), std::string::npos);
  EXPECT_EQ(Be(page(0xb0), 6, 2), 2U) << "granularity, in blocks";
  EXPECT_EQ(Be(page(0xb0), 12, 4), 16U) << "optimal, in blocks";
  EXPECT_EQ(Be(page(0xb1), 4, 2), 7200U);
  EXPECT_EQ(driver.Run(TestUnitReady(), "", 0, kUnit).sense, kPowerOn);
  EXPECT_EQ(Be(driver.Run(Cdb(0x25), "", 8, kUnit).data, 4, 4), 4096U);
}

TEST_P(ScsiQtest, LunsAndCapacities) {
  Host host(GetParam());
  ASSERT_TRUE(host.Start());
  const Outcome luns = host.Run(ReportLuns(), "", 256);
  ASSERT_TRUE(luns.good());
  EXPECT_EQ(Be(luns.data, 0, 4), 16U);
  EXPECT_EQ(Be(luns.data, 8, 8), 0U);
  EXPECT_EQ(Be(luns.data, 16, 8), uint64_t{2} << 48);
  EXPECT_EQ(host.Run(ReportLuns(15), "", 256).sense, kInvalidField);

  const Outcome ten = host.Run(Cdb(0x25), "", 8);
  EXPECT_EQ(Be(ten.data, 0, 4), kDiskBytes / 512 - 1);
  EXPECT_EQ(Be(ten.data, 4, 4), 512U);
  const Outcome sixteen = host.Run(Capacity16(), "", 32);
  EXPECT_EQ(Be(sixteen.data, 0, 8), kDiskBytes / 512 - 1);
  EXPECT_EQ(Be(sixteen.data, 8, 4), 512U);
  EXPECT_EQ(Be(sixteen.data, 14, 1) & 0x80, 0x80U);  // discards
  const Outcome disc = host.Run(Cdb(0x25), "", 8, kDisc);
  EXPECT_EQ(Be(disc.data, 0, 4), kDiscBytes / 2048 - 1);
  EXPECT_EQ(Be(disc.data, 4, 4), 2048U);
}

TEST_P(ScsiQtest, ReadsAndWritesReachTheImage) {
  Host host(GetParam());
  ASSERT_TRUE(host.Start());
  const std::string a(4096, 'a'), b(1024, 'b');
  EXPECT_TRUE(host.Run(Write10(8, 8), a).good());
  EXPECT_TRUE(host.device().queue(scsi::kFirstRequestQueue).TakeInterrupt());
  EXPECT_TRUE(host.Run(Write16(kDiskBytes / 512 - 2, 2), b).good());
  EXPECT_EQ(host.Run(Read16(8, 8), "", 4096).data, a);
  EXPECT_EQ(host.Run(Read10(kDiskBytes / 512 - 2, 2), "", 1024).data, b);
  EXPECT_TRUE(host.Run(Cdb(0x35)).good());                                 // SYNCHRONIZE CACHE(10)
  EXPECT_EQ(host.Run(Cdb(0x91).Set(2, 8, 8)).good(), !Machine::IsQemu());  // SYNCHRONIZE CACHE(16)
  EXPECT_EQ(host.Image().substr(4096, 4096), a);
  EXPECT_EQ(host.Image().substr(kDiskBytes - 1024), b);
  // Forced through the cache; a transfer of no blocks; more room than data.
  EXPECT_TRUE(host.Run(Write10(0, 1).Set(1, 1, 8), std::string(512, 'f')).good());
  EXPECT_TRUE(host.Run(Read10(0, 0)).good());
  const Outcome roomy = host.Run(Read10(0, 1), "", 2048);
  EXPECT_EQ(roomy.data.substr(0, 512), std::string(512, 'f'));
  EXPECT_EQ(roomy.residual == 1536, !Machine::IsQemu());
  // Less room than data.
  EXPECT_EQ(host.Run(Read10(0, 2), "", 512).response, scsi::kOverrun);

  EXPECT_EQ(host.Run(Read10(1, 2), "", 4096, kDisc).data, std::string(4096, 'c'));
  EXPECT_FALSE(host.Run(Write10(1, 1), std::string(2048, 'w'), 0, kDisc).good());
}

// UNMAP with one descriptor.
std::string UnmapList(uint64_t lba, uint32_t blocks) {
  Cdb list(0);
  list.Set(0, 2, 22).Set(2, 2, 16).Set(8, 8, lba).Set(16, 4, blocks);
  return {list.bytes.begin(), list.bytes.begin() + 24};
}

TEST_P(ScsiQtest, UnmapGivesBlocksBack) {
  Host host(GetParam());
  ASSERT_TRUE(host.Start());
  const Cdb unmap = Cdb(0x42).Set(7, 2, 24);
  ASSERT_TRUE(host.Run(Write10(0, 24), std::string(12288, 'x')).good());
  EXPECT_TRUE(host.Run(unmap, UnmapList(8, 8)).good());
  EXPECT_EQ(host.Image().substr(0, 12288),
            std::string(4096, 'x') + std::string(4096, '\0') + std::string(4096, 'x'));
  EXPECT_EQ(host.Run(Read10(8, 8), "", 4096).data, std::string(4096, '\0'));
  EXPECT_EQ(host.Run(unmap, UnmapList(kDiskBytes / 512, 1)).sense, kBadLba);
  EXPECT_EQ(host.Run(unmap, UnmapList(~uint64_t{0}, 1)).sense, kBadLba);
  // A list that says it is longer than it is.
  std::string lies = UnmapList(0, 8);
  lies[3] = 64;
  EXPECT_EQ(host.Run(unmap, lies).status, 2);
  EXPECT_EQ(host.Image().substr(0, 4096), std::string(4096, 'x'));
}

TEST_P(ScsiQtest, BlocksBeyondTheEndGetSenseData) {
  Host host(GetParam());
  ASSERT_TRUE(host.Start());
  constexpr uint64_t kEnd = kDiskBytes / 512;
  EXPECT_EQ(host.Run(Read10(kEnd, 1), "", 512).sense, kBadLba);
  EXPECT_EQ(host.Run(Read10(kEnd - 1, 2), "", 1024).sense, kBadLba);
  EXPECT_EQ(host.Run(Write10(UINT32_MAX, 1), std::string(512, 'w')).sense, kBadLba);
  EXPECT_EQ(host.Run(Read16(~uint64_t{0}, 1), "", 512).sense, kBadLba);
  EXPECT_EQ(host.Run(Write16(~uint64_t{0} - 1, 4), std::string(2048, 'w')).sense, kBadLba);
  EXPECT_EQ(host.Run(Write16(uint64_t{1} << 55, 1), std::string(512, 'w')).sense, kBadLba);
  EXPECT_EQ(host.Run(Read10(kDiscBytes / 2048, 1), "", 2048, kDisc).sense, kBadLba);
  EXPECT_EQ(host.Image().size(), kDiskBytes);
  EXPECT_TRUE(host.Run(Read10(kEnd - 1, 1), "", 512).good());
}

TEST_P(ScsiQtest, AWriteThatFailsOnTheHostHasSenseData) {
  SealedImage image(kDiskBytes);
  Machine m({"-M", GetParam().machine, "-blockdev", "file,node-name=f0,filename=" + image.path(),
             "-device", std::string(GetParam().driver) + ",id=s0", "-device",
             "scsi-hd,bus=s0.0,drive=f0"});
  ScsiDriver driver(m);
  ASSERT_TRUE(driver.device().Start());
  EXPECT_EQ(driver.Run(TestUnitReady(), "", 0, kDisk).sense, kPowerOn);
  image.Seal();
  const Outcome outcome = driver.Run(Write10(0, 1), std::string(512, 'w'), 0, kDisk);
  EXPECT_EQ(outcome.status, 2);
  EXPECT_EQ(outcome.sense, 0x0b0006U) << "aborted command, I/O process terminated";
  const auto event = m.qmp().WaitEvent("BLOCK_IO_ERROR");
  ASSERT_TRUE(event) << event.error();
  EXPECT_EQ(event->data["action"], json::Value("report"));
}

TEST_P(ScsiQtest, TaskManagement) {
  Host host(GetParam());
  ASSERT_TRUE(host.Start());
  EXPECT_EQ(host.Task(scsi::kAbortTask, kDisk, 99), scsi::kOk);
  EXPECT_EQ(host.Task(scsi::kQueryTask, kDisk, 99), scsi::kOk);
  EXPECT_EQ(host.Task(scsi::kLunReset, kDisk), scsi::kOk);
  EXPECT_EQ(host.Run(TestUnitReady()).sense, kPowerOn);
  EXPECT_TRUE(host.Run(TestUnitReady()).good());
  EXPECT_TRUE(host.Run(TestUnitReady(), "", 0, kDisc).good());
  EXPECT_EQ(host.Task(scsi::kNexusReset, kDisk), scsi::kOk);
  EXPECT_EQ(host.Run(TestUnitReady(), "", 0, kDisc).sense, kPowerOn);
  EXPECT_EQ(host.Task(scsi::kLunReset, kNoLun), scsi::kIncorrectLun);
  EXPECT_EQ(host.Task(scsi::kLunReset, kNoTarget), scsi::kBadTarget);
  EXPECT_EQ(host.Task(scsi::kClearAca, kDisk), scsi::kFunctionRejected);
}

TEST_P(ScsiQtest, FourQueuesOfAnIoThreadWithPackedRings) {
  if (Machine::IsQemu()) GTEST_SKIP() << "QEMU's microvm has no iothread there without KVM";
  Host host(GetParam(), ",num_queues=4,iothread=io0,packed=on", {"-object", "iothread,id=io0"});
  ASSERT_TRUE(host.Start());
  EXPECT_TRUE(host.device().Has(virtio::kFeatureRingPacked));
  EXPECT_EQ(host.device().Config<uint32_t>(0), 4U);
  ASSERT_EQ(host.device().queues(), 6);
  for (uint16_t i = 0; i < 4; ++i) {
    const auto queue = static_cast<uint16_t>(scsi::kFirstRequestQueue + i);
    const std::string data(512, static_cast<char>('A' + i));
    EXPECT_TRUE(host.Run(Write10(i, 1), data, 0, kDisk, queue).good());
    EXPECT_EQ(host.Run(Read10(i, 1), "", 512, kDisk, queue).data, data);
    EXPECT_TRUE(host.device().queue(queue).TakeInterrupt());
  }
  EXPECT_EQ(host.Image().substr(1536, 512), std::string(512, 'D'));
}

TEST_P(ScsiQtest, ResizeIsToldAsAnEvent) {
  Host host(GetParam());
  ASSERT_TRUE(host.Start());
  ASSERT_TRUE(host.device().Has(scsi::kFeatureChange));
  Queue& events = host.device().queue(scsi::kEventQueue);
  events.Add(Request().Writable(sizeof(scsi::Event)));
  events.Kick();
  host.machine().Qmp("block_resize", Object{{"node-name", "f0"}, {"size", 2 << 20}});
  const auto used = events.Wait();
  ASSERT_TRUE(used);
  ASSERT_EQ(used->bytes.size(), sizeof(scsi::Event));
  scsi::Event event;
  std::memcpy(&event, used->bytes.data(), sizeof(event));
  EXPECT_EQ(event.event, scsi::kParameterChange);
  EXPECT_EQ(event.reason, scsi::kCapacityChanged);
  EXPECT_EQ(event.lun[0], 1);
  EXPECT_EQ(event.lun[1], 0);
  EXPECT_EQ(host.Run(TestUnitReady()).sense, kResized);
  EXPECT_EQ(Be(host.Run(Capacity16(), "", 32).data, 0, 8), 4095U);
}

TEST_P(ScsiQtest, CommandsCutShortNeedAReset) {
  Host host(GetParam());
  for (const uint32_t room : {0U, 11U, 107U}) {
    ASSERT_TRUE(host.Start());
    Queue& queue = host.device().queue(scsi::kFirstRequestQueue);
    Request request;
    request.Struct(ScsiHead{{}, TestUnitReady().bytes});
    if (room != 0) request.Writable(room);
    queue.Add(request);
    queue.Kick();
    EXPECT_TRUE(host.machine().WaitFor([&] { return host.device().NeedsReset(); })) << room;
  }
  ASSERT_TRUE(host.Start());
  host.device().queue(scsi::kFirstRequestQueue).Add(Request().Readable("short").Writable(200));
  host.device().queue(scsi::kFirstRequestQueue).Kick();
  EXPECT_TRUE(host.machine().WaitFor([&] { return host.device().NeedsReset(); }));
  ASSERT_TRUE(host.Start());
  EXPECT_TRUE(host.Run(TestUnitReady()).good());
}

INSTANTIATE_TEST_SUITE_P(Boards, ScsiQtest,
                         ::testing::Values(ScsiBoard{"microvm", "virtio-scsi-device"},
                                           ScsiBoard{"q35", "virtio-scsi-pci"}),
                         [](const auto& info) { return std::string(info.param.machine); });

}  // namespace
}  // namespace davit::qtest
