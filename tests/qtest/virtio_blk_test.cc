// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// virtio-blk end to end with a test as the guest, on both transports: requests against the image,
// resizing, limits on the virtual clock, image locks, and storage that fills up and gets room.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "schema/runtime/json/json.h"
#include "tests/qtest/sealed_image.h"
#include "tests/support/process.h"
#include "tests/support/virtio/virtio.h"
#include "tests/support/vm.h"
#include "vmm/virtio/block/wire.h"

namespace davit::qtest {
namespace {

using namespace virtio::block;  // NOLINT: the wire's constants

constexpr uint64_t kDiskBytes = 1 << 20;

struct Board {
  const char* machine;
  const char* driver;
};

class Disk {
 public:
  explicit Disk(const Board& board, const std::string& folder = "", std::string properties = "",
                std::vector<std::string> more = {})
      : path_((folder.empty() ? dir_.File("") : folder + "/") + "a.img") {
    std::ofstream(path_).close();
    std::filesystem::resize_file(path_, kDiskBytes);
    std::vector<std::string> args = {"-M", board.machine};
    args.insert(args.end(), more.begin(), more.end());
    args.insert(args.end(),
                {"-blockdev", "file,node-name=f0,discard=unmap,filename=" + path_, "-device",
                 std::string(board.driver) + ",drive=f0,id=d0" + properties});
    machine_ = std::make_unique<Machine>(args);
    device_ = FindVirtio(*machine_, virtio::kIdBlock);
  }

  Machine& machine() { return *machine_; }
  Virtio& device() { return *device_; }
  Queue& queue() { return device_->queue(0); }
  const std::string& path() const { return path_; }

  static Request WriteRequest(uint64_t sector, std::string_view data) {
    return Request().Struct(Header{kTypeOut, 0u, sector}).Readable(data).Writable(1);
  }
  int StatusOf(const std::optional<Used>& used) {
    return used && !used->bytes.empty() ? used->bytes.back() : -1;
  }
  int Write(uint64_t sector, std::string_view data) {
    return StatusOf(queue().Do(WriteRequest(sector, data)));
  }
  std::string Read(uint64_t sector, uint32_t bytes) {
    const auto used =
        queue().Do(Request().Struct(Header{kTypeIn, 0u, sector}).Writable(bytes).Writable(1));
    return StatusOf(used) == kStatusOk ? used->text().substr(0, bytes) : "failed";
  }
  int Simple(uint32_t type) {
    return StatusOf(queue().Do(Request().Struct(Header{type, 0u, uint64_t{0}}).Writable(1)));
  }
  int Ranged(uint32_t type, uint64_t sector, uint32_t sectors) {
    return StatusOf(queue().Do(Request()
                                   .Struct(Header{type, 0u, uint64_t{0}})
                                   .Struct(Range{sector, sectors, 0u})
                                   .Writable(1)));
  }
  std::string Image() const {
    std::ifstream in(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

 private:
  testing::TempDir dir_;
  std::string path_;
  std::unique_ptr<Machine> machine_;
  std::unique_ptr<Virtio> device_;
};

class BlockQtest : public ::testing::TestWithParam<Board> {};

json::Object Object(const char* text) { return *json::Parse(text).value().AsObject(); }

TEST_P(BlockQtest, RequestsReachTheImage) {
  Disk disk(GetParam(), "", ",serial=abc,queue-size=64");
  ASSERT_TRUE(disk.device().Start());
  EXPECT_EQ(disk.device().Config<uint64_t>(0), kDiskBytes / 512);
  const std::string data(8192, 'd');
  EXPECT_EQ(disk.Write(8, data), kStatusOk);
  EXPECT_TRUE(disk.queue().TakeInterrupt());
  EXPECT_EQ(disk.Read(8, 8192), data);
  EXPECT_EQ(disk.Simple(kTypeFlush), kStatusOk);
  EXPECT_EQ(disk.Image().substr(4096, 8192), data);
  EXPECT_EQ(disk.Ranged(kTypeDiscard, 8, 8), kStatusOk);
  EXPECT_EQ(disk.Ranged(kTypeWriteZeroes, 16, 1), kStatusOk);
  EXPECT_EQ(disk.Read(8, 8192), std::string(4608, '\0') + std::string(3584, 'd'));
  const auto id = disk.queue().Do(
      Request().Struct(Header{kTypeGetId, 0u, uint64_t{0}}).Writable(20).Writable(1));
  ASSERT_TRUE(id);
  EXPECT_EQ(id->text().substr(0, 4), std::string("abc\0", 4));
  EXPECT_EQ(disk.Write(kDiskBytes / 512, data), kStatusIoError);

  const json::Value stats = disk.machine().Qmp("query-blockstats");
  EXPECT_EQ((*stats.AsArray())[0]["stats"]["wr_operations"], json::Value(2));
  EXPECT_EQ((*stats.AsArray())[0]["stats"]["unmap_bytes"], json::Value(4096));
  EXPECT_EQ((*stats.AsArray())[0]["stats"]["invalid_wr_operations"], json::Value(1));
}

TEST_P(BlockQtest, OnAnIoThreadWithPackedRings) {
  Disk disk(GetParam(), "", ",iothread=io0,packed=on", {"-object", "iothread,id=io0"});
  ASSERT_TRUE(disk.device().Start());
  for (uint64_t i = 0; i < 40; ++i) {
    EXPECT_EQ(disk.Write(i, std::string(512, static_cast<char>('A' + i))), kStatusOk);
  }
  EXPECT_EQ(disk.Read(39, 512), std::string(512, 'A' + 39));
  disk.device().Reset();
  ASSERT_TRUE(disk.device().Start());
  EXPECT_EQ(disk.Read(0, 512), std::string(512, 'A'));
}

TEST_P(BlockQtest, ResizeIsToldToTheDriver) {
  Disk disk(GetParam());
  ASSERT_TRUE(disk.device().Start());
  (void)disk.device().TakeConfigInterrupt();
  disk.machine().Qmp("block_resize", Object(R"({"node-name": "f0", "size": 2097152})"));
  EXPECT_TRUE(disk.machine().WaitFor([&] { return disk.device().TakeConfigInterrupt(); }));
  EXPECT_EQ(disk.device().Config<uint64_t>(0), 4096u);
  EXPECT_EQ(disk.Write(4095, std::string(512, 'e')), kStatusOk);
}

TEST_P(BlockQtest, LimitsHoldOnTheVirtualClock) {
  if (Machine::IsQemu()) GTEST_SKIP() << "QEMU's package has no accelerator qtest";
  Disk disk(GetParam());
  ASSERT_TRUE(disk.device().Start());
  const json::Value disks = disk.machine().Qmp("query-block");
  json::Object limits =
      Object(R"({"bps": 0, "bps_rd": 0, "bps_wr": 0, "iops": 10, "iops_rd": 0, "iops_wr": 0})");
  limits.Set("id", (*disks.AsArray())[0]["qdev"]);
  disk.machine().Qmp("block_set_io_throttle", std::move(limits));
  for (uint64_t i = 0; i < 21; ++i) disk.queue().Add(Disk::WriteRequest(i, std::string(512, 'l')));
  disk.queue().Kick();
  int done = 0;
  const auto collect = [&] {
    while (disk.queue().Take()) ++done;
    return done;
  };
  EXPECT_TRUE(disk.machine().WaitFor([&] { return collect() >= 1; }));
  EXPECT_LE(done, 3);
  for (int i = 0; i < 30 && done < 21; ++i) {
    disk.machine().ClockStep(100'000'000);
    const int want = std::min(21, i / 2);
    EXPECT_TRUE(disk.machine().WaitFor([&] { return collect() >= want; })) << i << " " << done;
  }
  EXPECT_TRUE(disk.machine().WaitFor([&] { return collect() == 21; })) << done;
}

TEST_P(BlockQtest, ASecondVmIsKeptFromTheImage) {
  Disk disk(GetParam());
  const testing::RunResult second = testing::RunCommand(
      {testing::DavitdPath(), "-M", GetParam().machine, "-accel", "qtest", "-display", "none",
       "-drive", "if=virtio,format=raw,file=" + disk.path()});
  EXPECT_EQ(second.status, 1);
  EXPECT_NE(second.err.find("Failed to get \"write\" lock\nIs another process using the image ["),
            std::string::npos)
      << second.err;
}

TEST_P(BlockQtest, ADiskReadOnlyForTheHostIsReadOnlyForTheGuest) {
  testing::TempDir dir;
  const std::string path = dir.File("ro.img");
  std::ofstream(path) << std::string(4096, 'r');
  Machine m({"-M", GetParam().machine, "-drive", "if=virtio,format=raw,readonly=on,file=" + path});
  const auto device = FindVirtio(m, virtio::kIdBlock);
  ASSERT_TRUE(device->Start());
  EXPECT_TRUE(device->Has(kFeatureReadOnly));
  const auto used = device->queue(0).Do(Disk::WriteRequest(0, std::string(512, 'w')));
  ASSERT_TRUE(used);
  EXPECT_EQ(used->bytes.back(), kStatusIoError);
  const json::Value disks = m.Qmp("query-block");
  EXPECT_EQ((*disks.AsArray())[0]["device"], json::Value("virtio0"));
  EXPECT_EQ((*disks.AsArray())[0]["inserted"]["ro"], json::Value(true));
}

// The mount is seen by this process and its children alone.
bool MountSmall(const std::string& at) {
  return unshare(CLONE_NEWNS) == 0 &&
         mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         mount("tmpfs", at.c_str(), "tmpfs", 0, "size=256k") == 0;
}

TEST_P(BlockQtest, FullStorageStopsTheVmAndRoomLosesNothing) {
  testing::TempDir small;
  const std::string folder = small.File("mnt");
  std::filesystem::create_directory(folder);
  if (!MountSmall(folder)) GTEST_SKIP() << "no right to mount: " << errno;
  {
    Disk disk(GetParam(), folder);
    ASSERT_TRUE(disk.device().Start());
    constexpr uint64_t kCount = 32;
    std::string all;
    for (uint64_t i = 0; i < kCount; ++i) {
      const std::string data(16384, static_cast<char>('A' + i));
      all += data;
      disk.queue().Add(Disk::WriteRequest(i * 32, data));
    }
    disk.queue().Kick();
    const auto error = disk.machine().qmp().WaitEvent("BLOCK_IO_ERROR");
    ASSERT_TRUE(error);
    EXPECT_EQ(error->data["node-name"], json::Value("f0"));
    EXPECT_EQ(error->data["operation"], json::Value("write"));
    EXPECT_EQ(error->data["action"], json::Value("stop"));
    EXPECT_EQ(error->data["nospace"], json::Value(true));
    ASSERT_TRUE(disk.machine().qmp().WaitEvent("STOP"));
    EXPECT_EQ(disk.machine().Qmp("query-status")["status"], json::Value("io-error"));
    EXPECT_EQ((*disk.machine().Qmp("query-block").AsArray())[0]["io-status"],
              json::Value("nospace"));

    ASSERT_EQ(mount("none", folder.c_str(), nullptr, MS_REMOUNT, "size=8m"), 0);
    disk.machine().Qmp("cont");
    uint64_t done = 0;
    EXPECT_TRUE(disk.machine().WaitFor([&] {
      while (auto used = disk.queue().Take()) {
        EXPECT_EQ(used->bytes.back(), kStatusOk);
        ++done;
      }
      return done == kCount;
    })) << done;
    EXPECT_EQ((*disk.machine().Qmp("query-block").AsArray())[0]["io-status"], json::Value("ok"));
    EXPECT_TRUE(disk.Image().substr(0, all.size()) == all);
  }
  umount2(folder.c_str(), MNT_DETACH);
}

TEST_P(BlockQtest, FailedWritesAreDealtWithByPolicy) {
  const struct {
    const char* werror;
    const char* action;
    int status;             // -1: the request is kept
    const char* io_status;  // null: it is not told where the VM never stops
  } kPolicies[] = {{"report", "report", kStatusIoError, nullptr},
                   {"ignore", "ignore", kStatusOk, nullptr},
                   {"enospc", "report", kStatusIoError, "ok"},
                   {"auto", "report", kStatusIoError, "ok"},
                   {"stop", "stop", -1, "failed"}};
  for (const auto& policy : kPolicies) {
    SealedImage image(kDiskBytes);
    Machine m({"-M", GetParam().machine, "-blockdev", "file,node-name=f0,filename=" + image.path(),
               "-device",
               std::string(GetParam().driver) + ",drive=f0,id=d0,werror=" + policy.werror});
    const auto device = FindVirtio(m, virtio::kIdBlock);
    ASSERT_TRUE(device->Start());
    image.Seal();
    Queue& queue = device->queue(0);
    queue.Add(Disk::WriteRequest(3, std::string(512, 'w')));
    queue.Kick();
    const auto event = m.qmp().WaitEvent("BLOCK_IO_ERROR");
    ASSERT_TRUE(event) << event.error();
    EXPECT_EQ(event->data["operation"], json::Value("write"));
    EXPECT_EQ(event->data["action"], json::Value(policy.action));
    EXPECT_EQ(event->data["node-name"], json::Value("f0"));
    EXPECT_EQ(event->data["reason"], json::Value("Operation not permitted"));
    const json::Value row = (*m.Qmp("query-block").AsArray())[0];
    EXPECT_EQ(row["io-status"], policy.io_status == nullptr ? json::Value() : policy.io_status);
    EXPECT_EQ(event->data["nospace"],
              policy.io_status == nullptr ? json::Value() : json::Value(false));
    if (policy.status >= 0) {
      const auto used = queue.Wait();
      ASSERT_TRUE(used) << policy.werror;
      EXPECT_EQ(used->bytes.back(), policy.status) << policy.werror;
      EXPECT_EQ(m.Qmp("query-status")["status"], json::Value("running"));
    } else {
      ASSERT_TRUE(m.qmp().WaitEvent("STOP"));
      EXPECT_FALSE(queue.Take());
      EXPECT_EQ(m.Qmp("query-status")["status"], json::Value("io-error"));
    }
  }
}

// --- nodes without a device ---

std::string ErrorOf(Machine& m, std::string_view command, const char* arguments) {
  const auto result = m.qmp().Execute(command, Object(arguments));
  return result ? "accepted" : result.error().message;
}

TEST(BlockNodes, ComeAndGoOverQmp) {
  testing::TempDir dir;
  const std::string path = dir.File("a.img");
  std::ofstream(path) << std::string(700, 'x');
  Machine m({"-M", "none"});
  json::Object file = Object(R"({"driver": "file", "node-name": "f0"})");
  file.Set("filename", path);
  m.Qmp("blockdev-add", std::move(file));
  m.Qmp("blockdev-add", Object(R"({"driver": "raw", "node-name": "r0", "file": "f0"})"));
  const json::Value nodes = m.Qmp("query-named-block-nodes", Object(R"({"flat": true})"));
  ASSERT_EQ(nodes.AsArray()->size(), 2u);
  EXPECT_EQ((*nodes.AsArray())[0]["node-name"], json::Value("r0"));
  EXPECT_EQ((*nodes.AsArray())[0]["image"]["virtual-size"], json::Value(1024));
  EXPECT_EQ((*nodes.AsArray())[1]["drv"], json::Value("file"));
  EXPECT_EQ(ErrorOf(m, "blockdev-del", R"({"node-name": "f0"})"), "Block device f0 is in use");
  m.Qmp("blockdev-del", Object(R"({"node-name": "r0"})"));
  m.Qmp("blockdev-del", Object(R"({"node-name": "f0"})"));
  EXPECT_TRUE(m.Qmp("query-named-block-nodes").AsArray()->empty());
}

TEST(BlockNodes, ADiskWhoseDriveWasDeletedAnswersWithErrors) {
  const testing::TempDir dir;
  const std::string path = dir.File("a.img");
  std::ofstream(path) << std::string(kDiskBytes, 'x');
  Machine m({"-M", "q35", "-drive", "if=none,id=d0,format=raw,file=" + path, "-device",
             "virtio-blk-pci,drive=d0"});
  const auto device = FindVirtio(m, virtio::kIdBlock);
  ASSERT_TRUE(device && device->Start());
  EXPECT_EQ(m.Qmp("human-monitor-command", {{"command-line", "drive_del d0"}}), json::Value(""));
  EXPECT_TRUE(m.Qmp("query-named-block-nodes").AsArray()->empty());
  for (const uint32_t type : {kTypeIn, kTypeFlush}) {
    Request request;
    request.Struct(Header{type, 0u, uint64_t{0}});
    if (type == kTypeIn) request.Writable(512);
    const auto used = device->queue(0).Do(request.Writable(1));
    ASSERT_TRUE(used);
    EXPECT_EQ(used->bytes.back(), kStatusIoError);
  }
}

TEST(BlockNodes, ADriveGoesWhenAResetEndsTheRemovalOfItsDevice) {
  const testing::TempDir dir;
  const std::string path = dir.File("a.img");
  std::ofstream(path) << std::string(kDiskBytes, 'x');
  Machine m({"-M", "q35", "-device", "pcie-root-port,id=p0,chassis=1", "-drive",
             "if=none,id=d0,format=raw,file=" + path, "-device",
             "virtio-blk-pci,bus=p0,drive=d0,id=v0"});
  m.Qmp("device_del", {{"id", "v0"}});  // nobody answers
  EXPECT_EQ(m.Qmp("query-block").AsArray()->size(), 1u);
  m.Qmp("system_reset");
  // Of the function's part, and of the device.
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(m.qmp().WaitEvent("DEVICE_DELETED"));
  EXPECT_TRUE(m.Qmp("query-block").AsArray()->empty());
  EXPECT_TRUE(m.Qmp("query-named-block-nodes").AsArray()->empty());
}

// A limit holds the writes up: they end in the file that they were meant for, and then the disk is
// another file, larger and without the page cache's help.
void ReopenUnderWrites(const std::string& properties) {
  const testing::TempDir dir;
  const auto path = [&](const char* name) { return dir.path() + "/" + name; };
  for (const char* name : {"a", "b"}) std::ofstream(path(name)).close();
  std::filesystem::resize_file(path("a"), kDiskBytes);
  std::filesystem::resize_file(path("b"), 2 * kDiskBytes);
  Machine m({"-M", "q35", "-object", "iothread,id=io0", "-object",
             "throttle-group,id=g,x-iops-total=1", "-blockdev",
             "file,node-name=a,filename=" + path("a"), "-blockdev",
             "file,node-name=b,filename=" + path("b"), "-blockdev", "raw,node-name=r,file=a",
             "-blockdev", "throttle,node-name=t,file=r,throttle-group=g", "-device",
             "virtio-blk-pci,drive=t" + properties});
  const auto device = FindVirtio(m, virtio::kIdBlock);
  ASSERT_TRUE(device && device->Start());
  Queue& queue = device->queue(0);
  const auto write = [](char c) {
    return Request()
        .Struct(Header{kTypeOut, 0u, uint64_t(c - 'a')})
        .Readable(std::string(512, c))
        .Writable(1);
  };
  std::string all;
  // Of a VM that stands still nothing is taken: then all at once, though an I/O thread polls.
  m.Qmp("stop");
  for (char c = 'a'; c < 'i'; ++c) {
    queue.Add(write(c));
    all += std::string(512, c);
  }
  queue.Kick();
  m.Qmp("cont");
  const auto ends_well = [&] {
    const auto used = queue.Wait();
    ASSERT_TRUE(used);
    EXPECT_EQ(used->bytes.back(), kStatusOk);
  };
  ends_well();  // the first one is within the limit; the device has taken them all by then
  EXPECT_FALSE(queue.Take());
  m.Qmp("blockdev-reopen",
        {{"options", json::Array{json::Object{{"driver", "raw"}, {"node-name", "r"}, {"file", "b"}},
                                 json::Object{{"driver", "file"},
                                              {"node-name", "b"},
                                              {"filename", path("b")},
                                              {"cache", json::Object{{"no-flush", true}}}}}}});
  for (char c = 'b'; c < 'i'; ++c) ends_well();
  const auto content = [&](const char* name) {
    std::ifstream in(path(name), std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  EXPECT_TRUE(content("a").starts_with(all));
  EXPECT_EQ(content("b")[0], '\0');
  // QEMU's driver is not told.
  const uint64_t bytes = Machine::IsQemu() ? kDiskBytes : 2 * kDiskBytes;
  EXPECT_EQ(device->Config<uint64_t>(0), bytes / 512);
}

TEST(BlockNodes, ReopenedUnderWritesNoneIsLost) { ReopenUnderWrites(""); }

TEST(BlockNodes, ReopenedUnderWritesOnAnIoThread) { ReopenUnderWrites(",iothread=io0"); }

TEST(BlockNodes, FaultsAreQemus) {
  Machine m({"-M", "none", "-blockdev", "null-co,node-name=n0"});
  EXPECT_EQ(ErrorOf(m, "blockdev-add", R"({"driver": "raw", "file": "n0"})"),
            "'node-name' must be specified for the root node");
  EXPECT_EQ(ErrorOf(m, "blockdev-add", R"({"driver": "null-co", "node-name": "n0"})"),
            "Duplicate nodes with node-name='n0'");
  EXPECT_EQ(ErrorOf(m, "blockdev-add", R"({"driver": "file", "node-name": "q"})"),
            "Parameter 'filename' is missing");
  EXPECT_EQ(ErrorOf(m, "blockdev-add", R"({"driver": "raw", "node-name": "q",
                                           "file": {"driver": "file", "filename": "/nx"}})"),
            "Could not open '/nx': No such file or directory");
  EXPECT_EQ(ErrorOf(m, "block_resize", R"({"node-name": "zz", "size": 1})"),
            "Cannot find device='' nor node-name='zz'");
  EXPECT_EQ(ErrorOf(m, "block_resize", R"({"node-name": "n0", "size": -1})"),
            "Parameter 'size' expects a >0 size");
  EXPECT_EQ(ErrorOf(m, "block_resize", R"({"node-name": "n0", "size": 0})"),
            "Image format driver does not support resize");
  constexpr const char* kLimits = R"({"bps": 0, "bps_rd": 0, "bps_wr": 0, "iops": 0,
                                      "iops_rd": 0, "iops_wr": 0, "id": "d9"})";
  EXPECT_EQ(ErrorOf(m, "block_set_io_throttle", kLimits), "Device 'd9' not found");
  EXPECT_EQ(ErrorOf(m, "blockdev-add", R"({"driver": "file", "node-name": "q",
                                           "filename": "/proc/self/exe", "read-only": true,
                                           "aio": "native"})"),
            "aio=native was specified, but it requires cache.direct=on, which was not specified.");
}

TEST(BlockNodes, ADescriptorOfASetIsAnImage) {
  testing::TempDir dir;
  const std::string path = dir.File("a.img");
  std::ofstream(path) << std::string(512, 'x');
  const UniqueFd read_only(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(read_only);
  Machine m({"-M", "none"});
  const auto added =
      m.qmp().Execute(client::Command{"add-fd", Object(R"({"fdset-id": 3})"), {read_only.get()}});
  ASSERT_TRUE(added) << added.error();
  constexpr const char* kNode =
      R"({"driver": "file", "node-name": "f0", "filename": "/dev/fdset/3"})";
  EXPECT_EQ(ErrorOf(m, "blockdev-add", kNode),
            "Could not dup FD for /dev/fdset/3 flags 2: Permission denied");
  EXPECT_EQ(ErrorOf(m, "blockdev-add",
                    R"({"driver": "file", "node-name": "f0", "filename": "/dev/fdset/9"})"),
            "Could not dup FD for /dev/fdset/9 flags 2: No such file or directory");
  m.Qmp("blockdev-add", Object(R"({"driver": "file", "node-name": "f0", "read-only": true,
                                    "filename": "/dev/fdset/3"})"));
  const json::Value nodes = m.Qmp("query-named-block-nodes");
  EXPECT_EQ((*nodes.AsArray())[0]["ro"], json::Value(true));
  EXPECT_EQ((*nodes.AsArray())[0]["image"]["virtual-size"], json::Value(512));
  m.Qmp("blockdev-del", Object(R"({"node-name": "f0"})"));
  m.Qmp("blockdev-add", Object(R"({"driver": "file", "node-name": "f1", "auto-read-only": true,
                                    "filename": "/dev/fdset/3"})"));
  const json::Value automatic = m.Qmp("query-named-block-nodes");
  EXPECT_EQ((*automatic.AsArray())[0]["node-name"], json::Value("f1"));
  // QEMU's is as it was asked for until a device wants to write.
  EXPECT_EQ((*automatic.AsArray())[0]["ro"], json::Value(!Machine::IsQemu()));
}

INSTANTIATE_TEST_SUITE_P(Boards, BlockQtest,
                         ::testing::Values(Board{"microvm", "virtio-blk-device"},
                                           Board{"q35", "virtio-blk-pci"}),
                         [](const auto& info) { return std::string(info.param.machine); });

}  // namespace
}  // namespace davit::qtest
