// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What a hostile driver does, over the whole way from the register to the device (rows of
// docs/threat-model.md): every device that can be made, on both transports. It holds when davitd
// lives and the device works after a reset. tests/support/virtio is the honest driver that comes
// after. The rings of each device by itself: vmm/virtio/testing/abuse_suite.h.
#include <gtest/gtest.h>

#include <random>

#include "tests/support/virtio/transports.h"
#include "tests/support/virtio/virtio.h"
#include "vmm/virtio/block/wire.h"
#include "vmm/virtio/console/wire.h"
#include "vmm/virtio/mem/wire.h"
#include "vmm/virtio/net/wire.h"
#include "vmm/virtio/scsi/wire.h"

namespace davit::qtest {
namespace {

// What the honest driver asks for after each case; false: it did not get it.
bool Random(Virtio& dev) {
  const auto used = dev.queue(0).Do(Request().Writable(16));
  return used && used->length == 16;
}
bool Inflate(Virtio& dev) {
  return dev.queue(0).Do(Request().Struct(uint32_t{0x1000})).has_value();
}
bool ReportPages(Virtio& dev) {
  return dev.queue(3).Do(Request().At(0x1000000, 4096, true)).has_value();
}
bool PlugBlock(Virtio& dev) {
  namespace mem = virtio::mem;
  mem::Request request{};
  request.type = mem::kPlug;
  request.addr = uint64_t{4} << 30;
  request.nb_blocks = uint16_t{1};
  const auto used = dev.queue(0).Do(Request().Struct(request).Writable(sizeof(mem::Response)));
  return used && used->length == sizeof(mem::Response);
}
bool ReadSector(Virtio& dev) {
  const auto used =
      dev.queue(0).Do(Request()
                          .Struct(virtio::block::Header{virtio::block::kTypeIn, 0u, 0u})
                          .Writable(512)
                          .Writable(1));
  return used && used->length == 513 && used->bytes.back() == virtio::block::kStatusOk;
}
bool InquireUnit(Virtio& dev) {
  namespace scsi = virtio::scsi;
  scsi::CommandHeader header{};
  header.lun = {1, 0, 0, 0};
  std::array<uint8_t, scsi::kDefaultCdbSize> cdb{0x12, 0, 0, 0, 36};
  const auto used = dev.queue(scsi::kFirstRequestQueue)
                        .Do(Request()
                                .Struct(header)
                                .Struct(cdb)
                                .Writable(sizeof(scsi::CommandResponse) + scsi::kDefaultSenseSize)
                                .Writable(36));
  return used && used->length == sizeof(scsi::CommandResponse) + scsi::kDefaultSenseSize + 36;
}
bool SayReady(Virtio& dev) {
  namespace console = virtio::console;
  const console::Control ready{UINT32_MAX, console::kDeviceReady, 1u};
  return dev.queue(console::kControlTransmit).Do(Request().Struct(ready)).has_value();
}
bool Print(Virtio& dev) {
  return dev.queue(virtio::console::TransmitQueue(0)).Do(Request().Readable("text")).has_value();
}
bool PrintOnChannel(Virtio& dev) {
  return dev.queue(virtio::console::TransmitQueue(1)).Do(Request().Readable("text")).has_value();
}

bool SendFrame(Virtio& dev) {
  const std::string frame(60, '\0');
  return dev.queue(1).Do(Request().Struct(virtio::net::Header{}).Readable(frame)).has_value();
}
bool SetPromiscuous(Virtio& dev) {
  const virtio::net::ControlHeader header{virtio::net::kClassRx, virtio::net::kRxPromisc};
  const auto used = dev.queue(2).Do(Request().Struct(header).Struct(uint8_t{1}).Writable(1));
  return used && used->bytes == std::vector<uint8_t>{virtio::net::kControlOk};
}

struct Device {
  const char* label;
  const char* name;  // without the transport: "virtio-rng"
  uint16_t id;
  uint16_t queue;  // one that a kick drains, whatever is in it
  bool (*works)(Virtio& dev);
  std::string properties = {};           // ",drive=d0"
  std::vector<std::string> before = {};  // options that come before -device
  std::vector<std::string> after = {};   // and behind
  bool mmio = true;                      // there is one for virtio-mmio
};

const Device kDevices[] = {
    {"Balloon", "virtio-balloon", virtio::kIdBalloon, 0, Inflate},
    {"BalloonReporting", "virtio-balloon", virtio::kIdBalloon, 3, ReportPages,
     ",free-page-reporting=on"},
    {"Block",
     "virtio-blk",
     virtio::kIdBlock,
     0,
     ReadSector,
     ",drive=n0",
     {"-blockdev", "null-co,node-name=n0,read-zeroes=on"}},
    {"Mem",
     "virtio-mem",
     virtio::kIdMem,
     0,
     PlugBlock,
     ",memdev=m0,requested-size=64M",
     {"-object", "memory-backend-ram,id=m0,size=1G,reserve=off"},
     {},
     false},
    {"Net", "virtio-net", virtio::kIdNet, 1, SendFrame, ",netdev=n", {"-netdev", "user,id=n"}},
    {"NetControl",
     "virtio-net",
     virtio::kIdNet,
     2,
     SetPromiscuous,
     ",netdev=n",
     {"-netdev", "user,id=n"}},
    {"Rng", "virtio-rng", virtio::kIdRng, 0, Random},
    {"Scsi",
     "virtio-scsi",
     virtio::kIdScsi,
     virtio::scsi::kFirstRequestQueue,
     InquireUnit,
     "",
     {"-blockdev", "null-co,node-name=n0,read-zeroes=on"},
     {"-device", "scsi-hd,drive=n0,scsi-id=0,lun=0"}},
    {"ScsiControl",
     "virtio-scsi",
     virtio::kIdScsi,
     virtio::scsi::kControlQueue,
     InquireUnit,
     "",
     {"-blockdev", "null-co,node-name=n0,read-zeroes=on"},
     {"-device", "scsi-hd,drive=n0,scsi-id=0,lun=0"}},
    {"SerialControl", "virtio-serial", virtio::kIdConsole, virtio::console::kControlTransmit,
     SayReady, ",max_ports=2"},
    {"Console",
     "virtio-serial",
     virtio::kIdConsole,
     virtio::console::TransmitQueue(0),
     Print,
     ",max_ports=1",
     {"-chardev", "null,id=c"},
     {"-device", "virtconsole,chardev=c"}},
    {"Channel",
     "virtio-serial",
     virtio::kIdConsole,
     virtio::console::TransmitQueue(1),
     PrintOnChannel,
     ",max_ports=2",
     {"-chardev", "null,id=c"},
     {"-device", "virtserialport,chardev=c"}},
};

using Param = std::tuple<size_t, bool>;  // device, pci

std::string NameOf(const ::testing::TestParamInfo<Param>& info) {
  return kDevices[std::get<0>(info.param)].label +
         std::string(std::get<1>(info.param) ? "Pci" : "Mmio");
}

constexpr uint64_t kRamEnd = 128 << 20;
constexpr uint64_t kSlots = 0xfeb00000;

class Abuse : public ::testing::TestWithParam<Param> {
 protected:
  void SetUp() override {
    const bool pci = std::get<1>(GetParam());
    std::vector<std::string> args = {"-M", pci ? "q35" : "microvm", "-m",
                                     device().mmio ? "128" : "128M,maxmem=4G"};
    args.insert(args.end(), device().before.begin(), device().before.end());
    args.insert(args.end(), {"-device", std::string(device().name) + (pci ? "-pci" : "-device") +
                                            device().properties});
    args.insert(args.end(), device().after.begin(), device().after.end());
    machine_ = std::make_unique<Machine>(args);
    device_ = FindVirtio(*machine_, device().id);
  }

  static const Device& device() { return kDevices[std::get<0>(GetParam())]; }
  Machine& m() { return *machine_; }
  Virtio& dev() { return *device_; }
  // A device's own registers, as an address for DMA.
  uint64_t Registers() {
    auto* pci = dynamic_cast<VirtioPci*>(device_.get());
    return pci != nullptr ? pci->Structure(1) : dynamic_cast<VirtioMmio&>(dev()).base();
  }
  void Start() { ASSERT_TRUE(dev().Start({.features = ~virtio::kFeatureRingPacked})); }
  // The process lives, and an honest driver gets what it asks for.
  void ExpectAlive() {
    ASSERT_EQ(m().Command("endianness"), "OK little");
    ASSERT_TRUE(dev().Start());
    EXPECT_FALSE(dev().NeedsReset());
    EXPECT_TRUE(device().works(dev()));
    ASSERT_TRUE(m().qmp().Execute("query-status"));
  }
  // A descriptor of the split ring.
  void Descriptor(uint16_t n, uint64_t address, uint32_t length, uint16_t flags, uint16_t next) {
    const uint64_t at = dev().queue(device().queue).ring().desc() + 16 * uint64_t{n};
    m().Write(at, 8, address);
    m().Write(at + 8, 8, length | uint64_t{flags} << 32 | uint64_t{next} << 48);
  }
  // Heads into the ring and the index on, then the doorbell.
  void Offer(std::initializer_list<uint16_t> heads, uint16_t index_more = 0) {
    const uint64_t driver = dev().queue(device().queue).ring().driver();
    const auto index = static_cast<uint16_t>(m().Read(driver + 2, 2));
    uint16_t i = index;
    for (uint16_t head : heads) {
      m().Write(
          driver + 4 +
              2 * uint64_t{static_cast<uint16_t>(i++ % dev().queue(device().queue).ring().size())},
          2, head);
    }
    m().Write(driver + 2, 2, static_cast<uint16_t>(i + index_more));
    dev().Notify(device().queue);
  }

  static constexpr uint16_t kNext = 1, kWrite = 2, kIndirect = 4;
  std::unique_ptr<Machine> machine_;
  std::unique_ptr<Virtio> device_;
};

TEST_P(Abuse, QueueRegistersAfterDriverOkChangeNothing) {
  Start();
  const SplitRing other(m(), 4, false);
  dev().EnableQueue(device().queue, other);
  EXPECT_TRUE(dev().QueueReady(device().queue));
  EXPECT_TRUE(device().works(dev()));
  ExpectAlive();
}

TEST_P(Abuse, AnyQueueIndexIsNotified) {
  Start();
  for (uint32_t index = 0; index < 0x10000; index += index < 80 ? 1 : 977) {
    dev().Notify(static_cast<uint16_t>(index));
  }
  if (auto* mmio = dynamic_cast<VirtioMmio*>(&dev())) {
    for (uint32_t index : {0xffffU, 0x10000U, 0x80000000U, 0xffffffffU}) {
      mmio->SetRegister(0x050, index);
    }
  } else {
    auto& pci = dynamic_cast<VirtioPci&>(dev());
    for (uint64_t offset = 0; offset < 0x1000; offset += 2) {
      m().Write(pci.Structure(2) + offset, 2, 0xffff);
    }
  }
  ExpectAlive();
}

TEST_P(Abuse, QueueOfAnImpossibleSize) {
  for (uint16_t size : {0, 1, 3, 5, 0x7fff, 0x8000, 0xffff}) {
    dev().Reset();
    ASSERT_TRUE(dev().Negotiate(~virtio::kFeatureRingPacked));
    // The areas of a small ring under a size of the test's choice.
    class Sized final : public Ring {
     public:
      Sized(Machine& machine, uint16_t size) : Ring(machine, size, false) {
        desc_ = machine.Allocate(0x200000, 4096);
        driver_ = desc_ + 0x100000;
        device_ = desc_ + 0x140000;
      }
      bool WantsKick() override { return true; }
      void SetInterrupts(bool) override {}

     private:
      uint16_t Publish(const std::vector<Segment>&, bool) override { return 0; }
      std::optional<Returned> TakeReturned() override { return std::nullopt; }
    };
    dev().EnableQueue(device().queue, Sized(m(), size));
    dev().DriverOk();
    dev().Notify(device().queue);
    ASSERT_EQ(m().Command("endianness"), "OK little") << size;
  }
  ExpectAlive();
}

TEST_P(Abuse, RingsOutsideRam) {
  class Placed final : public Ring {
   public:
    Placed(Machine& machine, uint64_t desc, uint64_t driver, uint64_t device)
        : Ring(machine, 16, false) {
      desc_ = desc;
      driver_ = driver;
      device_ = device;
    }
    bool WantsKick() override { return true; }
    void SetInterrupts(bool) override {}

   private:
    uint16_t Publish(const std::vector<Segment>&, bool) override { return 0; }
    std::optional<Returned> TakeReturned() override { return std::nullopt; }
  };
  const uint64_t good = m().Allocate(0x3000, 4096);
  for (uint64_t bad : {Registers() & ~uint64_t{0xfff}, kRamEnd - 16, kRamEnd, kSlots,
                       ~uint64_t{0xf}, uint64_t{1} << 63, ~uint64_t{0}}) {
    for (int part = 0; part < 3; ++part) {
      dev().Reset();
      ASSERT_TRUE(dev().Negotiate(~virtio::kFeatureRingPacked));
      dev().EnableQueue(device().queue,
                        Placed(m(), part == 0 ? bad : good, part == 1 ? bad : good + 0x1000,
                               part == 2 ? bad : good + 0x2000));
      dev().DriverOk();
      dev().Notify(device().queue);
      ASSERT_EQ(m().Command("endianness"), "OK little") << std::hex << bad;
    }
  }
  ExpectAlive();
}

TEST_P(Abuse, ChainThatLoops) {
  Start();
  const uint64_t buffer = m().Allocate(64);
  Descriptor(0, buffer, 16, kNext | kWrite, 1);
  Descriptor(1, buffer, 16, kNext | kWrite, 0);
  Offer({0});
  EXPECT_TRUE(m().WaitFor([&] { return dev().NeedsReset(); }));
  ExpectAlive();
}

TEST_P(Abuse, ChainThatPointsToItself) {
  Start();
  Descriptor(0, m().Allocate(64), 16, kNext | kWrite, 0);
  Offer({0});
  ExpectAlive();
}

TEST_P(Abuse, HeadsAndLinksBeyondTheRing) {
  Start();
  Descriptor(0, m().Allocate(64), 16, kNext | kWrite, 0xffff);
  Offer({0});
  ExpectAlive();
  Start();
  Offer({0xffff});
  EXPECT_TRUE(m().WaitFor([&] { return dev().NeedsReset(); }));
  ExpectAlive();
}

TEST_P(Abuse, AvailableIndexThatJumps) {
  Start();
  Offer({}, 0x8000);
  EXPECT_TRUE(m().WaitFor([&] { return dev().NeedsReset(); }));
  ExpectAlive();
}

TEST_P(Abuse, SameHeadAgainAndAgain) {
  Start();
  Descriptor(0, m().Allocate(64), 16, kWrite, 0);
  Offer({0, 0, 0, 0, 0, 0});
  ExpectAlive();
}

TEST_P(Abuse, BuffersThatAreNotRam) {
  for (uint64_t address : {Registers(), kRamEnd - 8, kRamEnd, uint64_t{0xfee00000},
                           uint64_t{0xfec00000}, ~uint64_t{0} - 7, uint64_t{1} << 62}) {
    for (uint32_t length : {16U, 0U, 0xffffffffU}) {
      Start();
      Descriptor(0, address, length, kWrite, 0);
      Offer({0});
      ASSERT_EQ(m().Command("endianness"), "OK little") << std::hex << address;
    }
  }
  ExpectAlive();
}

TEST_P(Abuse, BuffersInItsOwnRings) {
  for (int part = 0; part < 3; ++part) {
    Start();
    const Ring& ring = dev().queue(device().queue).ring();
    const uint64_t at = part == 0 ? ring.desc() : part == 1 ? ring.driver() : ring.device();
    Descriptor(0, at, 64, kWrite, 0);
    Descriptor(1, at, 64, kWrite, 0);
    Offer({0, 1});
    ASSERT_EQ(m().Command("endianness"), "OK little") << part;
  }
  ExpectAlive();
}

TEST_P(Abuse, IndirectTablesThatBreakTheRules) {
  const uint64_t table = m().Allocate(4096, 4096);
  // In itself, not a multiple, empty, outside RAM, with a successor.
  const struct {
    uint64_t address;
    uint32_t length;
    uint16_t flags;
  } kTables[] = {{table, 16, kIndirect},        {table, 15, kIndirect},
                 {table, 0, kIndirect},         {table, 0xfffffff0, kIndirect},
                 {kRamEnd - 8, 16, kIndirect},  {~uint64_t{0} - 15, 32, kIndirect},
                 {table, 16, kIndirect | kNext}};
  for (const auto& bad : kTables) {
    Start();
    m().Write(table, 8, table);
    m().Write(table + 8, 8, 16 | uint64_t{kIndirect} << 32);
    Descriptor(0, bad.address, bad.length, bad.flags, 1);
    Descriptor(1, table, 16, kWrite, 0);
    Offer({0});
    ASSERT_EQ(m().Command("endianness"), "OK little");
  }
  ExpectAlive();
}

TEST_P(Abuse, FeaturesThatWereNotOffered) {
  dev().Reset();
  dev().SetStatus(virtio::kStatusAcknowledge | virtio::kStatusDriver);
  dev().AcceptFeatures(~uint64_t{0});
  dev().SetStatus(virtio::kStatusAcknowledge | virtio::kStatusDriver | virtio::kStatusFeaturesOk);
  EXPECT_EQ(dev().Status() & virtio::kStatusFeaturesOk, 0);
  // Without VERSION_1.
  dev().Reset();
  dev().SetStatus(virtio::kStatusAcknowledge | virtio::kStatusDriver);
  dev().AcceptFeatures(0);
  dev().SetStatus(virtio::kStatusAcknowledge | virtio::kStatusDriver | virtio::kStatusFeaturesOk);
  EXPECT_EQ(dev().Status() & virtio::kStatusFeaturesOk, 0);
  ExpectAlive();
}

TEST_P(Abuse, DriverOkWithoutQueuesAndKicksWithoutDriverOk) {
  dev().Reset();
  dev().Notify(device().queue);
  ASSERT_TRUE(dev().Negotiate(~uint64_t{0}));
  dev().Notify(device().queue);
  dev().DriverOk();
  dev().Notify(device().queue);
  ExpectAlive();
}

// Writes of every size to every register, the same in each run.
TEST_P(Abuse, AnyRegisterWrites) {
  std::mt19937_64 random(1);
  auto* pci = dynamic_cast<VirtioPci*>(&dev());
  for (int round = 0; round < 4; ++round) {
    Start();
    for (int i = 0; i < 500; ++i) {
      const unsigned size = 1U << random() % 4;
      const uint64_t base = pci != nullptr ? pci->Structure(static_cast<uint8_t>(1 + random() % 4))
                                           : dynamic_cast<VirtioMmio&>(dev()).base();
      const uint64_t offset = random() % (pci != nullptr ? 0x48 : 0x200);
      const uint64_t value = random() % 2 != 0 ? random() : random() % 16;
      if (random() % 2 != 0) {
        m().Write(base + offset, size, value);
      } else {
        m().Read(base + offset, size);
      }
    }
    ASSERT_NO_FATAL_FAILURE(ExpectAlive());
  }
}

TEST_P(Abuse, AnyRingContents) {
  std::mt19937_64 random(2);
  for (int round = 0; round < 30; ++round) {
    Start();
    const Ring& ring = dev().queue(device().queue).ring();
    for (uint64_t area : {ring.desc(), ring.driver()}) {
      std::vector<uint8_t> bytes(ring.size() * (area == ring.desc() ? 16 : 2) + size_t{6});
      for (uint8_t& byte : bytes) byte = random() % 3 != 0 ? 0 : static_cast<uint8_t>(random());
      m().WriteBytes(area, bytes);
    }
    m().Write(ring.driver() + 2, 2, random() % 20);
    for (uint16_t i = 0; i < dev().queues(); ++i) dev().Notify(i);
    ASSERT_EQ(m().Command("endianness"), "OK little") << round;
  }
  ExpectAlive();
}

std::vector<Param> Params() {
  std::vector<Param> params;
  for (size_t i = 0; i < std::size(kDevices); ++i) {
    params.emplace_back(i, true);
    if (kDevices[i].mmio) params.emplace_back(i, false);
  }
  return params;
}

INSTANTIATE_TEST_SUITE_P(Devices, Abuse, ::testing::ValuesIn(Params()), NameOf);

}  // namespace
}  // namespace davit::qtest
