// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// virtio over PCI as a driver sees it, from configuration space to a served request.
#include "vmm/virtio/transport/pci/virtio_pci.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "vmm/base/units.h"
#include "vmm/io/testing/fake_event_loop.h"
#include "vmm/memory/ram_block.h"
#include "vmm/pci/root_port.h"
#include "vmm/pci/testing/host_fixture.h"
#include "vmm/pci/testing/recorded_config.h"
#include "vmm/virtio/core/features.h"
#include "vmm/virtio/testing/echo_device.h"
#include "vmm/virtio/testing/ring.h"
#include "vmm/virtio/transport/pci/layout.h"

namespace davit::virtio {
namespace {

using testing::kWrite;

constexpr uint8_t kAt = pci::Devfn(1, 0);
constexpr uint64_t kBar = 0x800000000;
constexpr uint64_t kTable = 0xe0000000;
constexpr uint64_t kPort = 0xc040;

class RecordingDoorbells final : public bus::DoorbellHost {
 public:
  Status Bind(const bus::Doorbell& doorbell, int event_fd) override {
    if (refuse) return Fail("no room");
    EXPECT_TRUE((doorbell.port ? ports : bound).emplace(doorbell.address, event_fd).second);
    if (doorbell.port) {
      EXPECT_EQ(doorbell.size, 2u);
      EXPECT_EQ(doorbell.value, 0u);
    }
    return {};
  }
  void Unbind(const bus::Doorbell& doorbell, int event_fd) override {
    auto& from = doorbell.port ? ports : bound;
    EXPECT_EQ(from.at(doorbell.address), event_fd);
    from.erase(doorbell.address);
  }
  std::map<uint64_t, int> bound, ports;  // of one queue
  bool refuse = false;
};

class VirtioPciTest : public pci::HostFixture {
 protected:
  VirtioPciTest() {
    memory::RamBlockOptions options;
    options.id = "ram";
    options.size = kMiB;
    memory_ = *memory::GuestMemory::Create({{{0}, kMiB, *memory::RamBlock::Create(options), 0}});
    frontend_ = std::make_unique<Frontend>(std::make_unique<testing::EchoDevice>(seen_),
                                           FrontendOptions{}, loop_, memory_);
  }
  ~VirtioPciTest() override {
    if (device_) host_.root().Detach(*device_);
    device_.reset();
    frontend_->Quiesce();
  }
  void Plug(const VirtioPciConfig& config = {.function = {.driver = "virtio-echo-pci", .id = {}}}) {
    device_ = std::make_unique<VirtioPci>(config, *frontend_, doorbells_);
    ASSERT_TRUE(host_.root().Attach(*device_, kAt));
    MapBars();
  }
  void MapBars() {
    ConfigStore(0, kAt, 0x14, kTable);
    ConfigStore(0, kAt, 0x20, kBar & 0xffffffff);
    ConfigStore(0, kAt, 0x24, kBar >> 32);
    Command(pci::kCommandMemory | pci::kCommandMaster);
  }
  void Command(uint16_t value) { ConfigStore(0, kAt, pci::kCommand, value, 2); }
  uint64_t Get(uint32_t offset, size_t size) { return Load(mmio_, kBar + offset, size); }
  void Set(uint32_t offset, size_t size, uint64_t value) {
    Store(mmio_, kBar + offset, size, value);
  }
  void Negotiate(uint64_t features = kFeatureVersion1 | kFeatureRingReset) {
    Set(kDeviceStatus, 1, 0);
    Set(kDeviceStatus, 1, 3);
    for (uint32_t half : {0, 1}) {
      Set(kDriverFeatureSelect, 4, half);
      Set(kDriverFeature, 4, features >> (32 * half));
    }
    Set(kDeviceStatus, 1, 11);
  }
  void SetUpQueue(uint16_t index, uint64_t base = 0x1000) {
    const testing::RingPlace place = testing::PlaceRing(base, 8);
    (void)memory_.Fill({base}, testing::RingBytes(8), std::byte{0});
    Set(kQueueSelect, 2, index);
    Set(kQueueSize, 2, 8);
    Set(kQueueDesc, 8, place.descriptors);
    Set(kQueueDriver, 4, place.driver);
    Set(kQueueDriver + 4, 4, 0);
    Set(kQueueDevice, 4, place.device);
    Set(kQueueDevice + 4, 4, 0);
    Set(kQueueEnable, 2, 1);
    ring_ = testing::DriverRing::Create(memory_, place, false, false);
  }
  void Start() {
    Negotiate();
    SetUpQueue(0);
    Set(kDeviceStatus, 1, 15);
    loop_.RunPosted();
  }
  void Request() {
    ring_->Publish({{0x8000, 4, 0}, {0x9000, 4, kWrite}});
    Set(kNotifyOffset, 2, 0);
    loop_.RunPosted();
  }
  void EnableMsix() {
    const uint32_t at = device_->config().FindCapability(pci::kCapMsix);
    ConfigStore(0, kAt, at + 2, 0x8000, 2);
    for (uint64_t i = 0; i < 3; ++i) {
      Store(mmio_, kTable + 16 * i, 4, 0xfee00000);
      Store(mmio_, kTable + 16 * i + 8, 4, 0x40 + i);
      Store(mmio_, kTable + 16 * i + 12, 4, 0);
    }
  }

  testing::EchoDevice::Seen seen_;
  memory::GuestMemory memory_;
  io::FakeEventLoop loop_;
  RecordingDoorbells doorbells_;
  std::unique_ptr<Frontend> frontend_;
  std::unique_ptr<VirtioPci> device_;
  std::unique_ptr<testing::DriverRing> ring_;
};

TEST_F(VirtioPciTest, FeaturesAreReadByHalves) {
  Plug();
  const uint64_t offered = frontend_->offered_features();
  EXPECT_EQ(Get(kDeviceFeature, 4), offered & 0xffffffff);
  Set(kDeviceFeatureSelect, 4, 1);
  EXPECT_EQ(Get(kDeviceFeature, 4), offered >> 32);
  Set(kDeviceFeatureSelect, 4, 2);
  EXPECT_EQ(Get(kDeviceFeature, 4), 0u);
  Set(kDriverFeatureSelect, 4, 2);
  Set(kDriverFeature, 4, 1);
  EXPECT_EQ(Get(kDriverFeature, 4), 0u);
  EXPECT_EQ(frontend_->driver_features(), 0u);
}

TEST_F(VirtioPciTest, RequestIsServedAndInterruptsThePin) {
  Plug();
  Start();
  Request();
  EXPECT_EQ(seen_.handled, 2);  // at DRIVER_OK, and for the kick
  EXPECT_TRUE(Line(1));
  EXPECT_EQ(Get(kIsrOffset, 1), kIsrQueue);
  EXPECT_FALSE(Line(1));
  EXPECT_EQ(Get(kIsrOffset, 1), 0u);
}

TEST_F(VirtioPciTest, QueueRegistersReadBack) {
  Plug();
  EXPECT_EQ(Get(kNumQueues, 2), 2u);
  Negotiate();
  Set(kQueueSelect, 2, 1);
  EXPECT_EQ(Get(kQueueSize, 2), 32u);
  Set(kQueueSize, 2, 8);
  Set(kQueueDesc, 4, 0x11000);
  Set(kQueueDesc + 4, 4, 0x2);
  EXPECT_EQ(Get(kQueueSize, 2), 8u);
  EXPECT_EQ(Get(kQueueDesc, 8), 0x200011000u);
  EXPECT_EQ(Get(kQueueNotifyOff, 2), 1u);
  EXPECT_EQ(Get(kQueueNotifyData, 2), 1u);
  EXPECT_EQ(Get(kQueueEnable, 2), 0u);
  Set(kQueueEnable, 2, 1);
  EXPECT_EQ(Get(kQueueEnable, 2), 1u);
  // CVE-2026-5747: an enabled queue keeps its registers.
  Set(kQueueSize, 2, 16);
  Set(kQueueDesc, 4, 0);
  Set(kQueueEnable, 2, 0);
  EXPECT_EQ(Get(kQueueSize, 2), 8u);
  EXPECT_EQ(Get(kQueueDesc, 8), 0x200011000u);
  EXPECT_EQ(Get(kQueueEnable, 2), 1u);
}

TEST_F(VirtioPciTest, AbsentQueueHasSizeZero) {
  Plug();
  Set(kQueueSelect, 2, 2);
  EXPECT_EQ(Get(kQueueSize, 2), 0u);
  EXPECT_EQ(Get(kQueueMsixVector, 2), kNoVector);
  Set(kQueueMsixVector, 2, 0);
  Set(kQueueEnable, 2, 1);
  Set(kQueueReset, 2, 1);
  EXPECT_EQ(Get(kQueueEnable, 2), 0u);
}

TEST_F(VirtioPciTest, SelectingBeyondAllQueuesIsIgnored) {
  Plug();
  Set(kQueueSelect, 2, 1);
  Set(kQueueSelect, 2, kMaxQueues);
  EXPECT_EQ(Get(kQueueSelect, 2), 1u);
}

TEST_F(VirtioPciTest, VectorsOutOfRangeAreNone) {
  Plug();  // 2 queues: 3 vectors
  Set(kConfigMsixVector, 2, 2);
  EXPECT_EQ(Get(kConfigMsixVector, 2), 2u);
  Set(kConfigMsixVector, 2, 3);
  EXPECT_EQ(Get(kConfigMsixVector, 2), kNoVector);
  Set(kQueueMsixVector, 2, 1);
  EXPECT_EQ(Get(kQueueMsixVector, 2), 1u);
  Set(kQueueMsixVector, 2, 0xfffe);
  EXPECT_EQ(Get(kQueueMsixVector, 2), kNoVector);
}

TEST_F(VirtioPciTest, WithMsixTheVectorOfTheQueueIsSent) {
  Plug();
  EnableMsix();
  Negotiate();
  Set(kConfigMsixVector, 2, 0);
  SetUpQueue(0);
  Set(kQueueMsixVector, 2, 1);
  Set(kDeviceStatus, 1, 15);
  loop_.RunPosted();
  (void)msi_.Take();
  Request();
  EXPECT_EQ(msi_.Take(), (std::vector<irq::MsiMessage>{{0xfee00000, 0x41}}));
  EXPECT_FALSE(Line(1));
  {
    const auto lock = seen_.host->Lock();
    seen_.host->ConfigChanged();
  }
  EXPECT_EQ(msi_.Take(), (std::vector<irq::MsiMessage>{{0xfee00000, 0x40}}));
}

TEST_F(VirtioPciTest, ConfigurationChangeShowsInIsrAndGeneration) {
  Plug();
  Start();
  const uint64_t before = Get(kConfigGeneration, 1);
  {
    const auto lock = seen_.host->Lock();
    seen_.host->ConfigChanged();
  }
  EXPECT_NE(Get(kConfigGeneration, 1), before);
  EXPECT_EQ(Get(kIsrOffset, 1), kIsrQueue | kIsrConfig);
}

TEST_F(VirtioPciTest, DeviceConfigurationIsReadAndWritten) {
  Plug();
  EXPECT_EQ(Get(kDeviceOffset, 4), 0x04030201u);
  EXPECT_EQ(Get(kDeviceOffset + 4, 2), 0x0605u);
  EXPECT_EQ(Get(kDeviceOffset + 4, 4), 0xffffffffu);  // not all inside
  EXPECT_EQ(Get(kDeviceOffset + 0x800, 8), ~uint64_t{0});
  Set(kDeviceOffset + 5, 1, 0x77);
  EXPECT_EQ(Get(kDeviceOffset + 4, 2), 0x7705u);
}

TEST_F(VirtioPciTest, WindowReachesTheRegisters) {
  Plug();
  const uint32_t at = device_->config().FindCapability(pci::kCapVendor);  // the newest one
  ASSERT_EQ(ConfigLoad(0, kAt, at + 3, 1), kCapWindow);
  ConfigStore(0, kAt, at + 4, kRegistersBar, 1);
  ConfigStore(0, kAt, at + 8, kDeviceStatus);
  ConfigStore(0, kAt, at + 12, 1);
  ConfigStore(0, kAt, at + 16, 3, 1);
  EXPECT_EQ(frontend_->status(), 3);
  EXPECT_EQ(ConfigLoad(0, kAt, at + 16, 1), 3u);
  ConfigStore(0, kAt, at + 8, kNumQueues);
  ConfigStore(0, kAt, at + 12, 2);
  EXPECT_EQ(ConfigLoad(0, kAt, at + 16, 2), 2u);
}

TEST_F(VirtioPciTest, WindowWithBadPlaceDoesNothing) {
  Plug();
  const uint32_t at = device_->config().FindCapability(pci::kCapVendor);
  const auto access = [&](uint8_t bar, uint32_t offset, uint32_t length) {
    ConfigStore(0, kAt, at + 4, bar, 1);
    ConfigStore(0, kAt, at + 8, offset);
    ConfigStore(0, kAt, at + 12, length);
    ConfigStore(0, kAt, at + 16, 0xffffffff);
    (void)ConfigLoad(0, kAt, at + 16);
  };
  for (uint32_t length : {0u, 3u, 5u, 8u, 0xffffffffu}) access(4, kDeviceStatus, length);
  access(0, kDeviceStatus, 1);
  access(1, 0, 4);
  access(4, 0xfffffffc, 4);
  access(4, kRegistersSize, 4);
  access(4, kDeviceStatus + 1, 2);  // misaligned
  EXPECT_EQ(frontend_->status(), 0);
}

TEST_F(VirtioPciTest, DoorbellFollowsTheBar) {
  Plug();
  Start();
  ASSERT_EQ(doorbells_.bound.size(), 1u);
  EXPECT_EQ(doorbells_.bound.begin()->first, kBar + kNotifyOffset);
  ConfigStore(0, kAt, 0x24, 0x9);
  ASSERT_EQ(doorbells_.bound.size(), 1u);
  EXPECT_EQ(doorbells_.bound.begin()->first, 0x900000000 + kNotifyOffset);
  Command(pci::kCommandMemory);
  EXPECT_TRUE(doorbells_.bound.empty());
  Command(pci::kCommandMemory | pci::kCommandMaster);
  EXPECT_EQ(doorbells_.bound.size(), 1u);
  Store(mmio_, 0x900000000 + kDeviceStatus, 1, 0);
  EXPECT_TRUE(doorbells_.bound.empty());
}

TEST_F(VirtioPciTest, DoorbellAtThePortFollowsItsBar) {
  Plug({.function = {}, .port_notify = true});
  Start();
  EXPECT_TRUE(doorbells_.ports.empty());
  ConfigStore(0, kAt, 0x18, kPort);
  Command(pci::kCommandIo | pci::kCommandMemory | pci::kCommandMaster);
  ASSERT_EQ(doorbells_.ports.size(), 1u);
  EXPECT_EQ(doorbells_.ports.begin()->first, kPort);
  EXPECT_EQ(doorbells_.bound.size(), 1u) << "firmware may use the one, the system the other";
  Command(pci::kCommandMemory | pci::kCommandMaster);
  EXPECT_TRUE(doorbells_.ports.empty());
  EXPECT_EQ(doorbells_.bound.size(), 1u);
}

TEST_F(VirtioPciTest, ValueAtThePortIsTheQueue) {
  Plug({.function = {}, .port_notify = true});
  doorbells_.refuse = true;  // so that it arrives as a write
  Start();
  ConfigStore(0, kAt, 0x18, kPort);
  Command(pci::kCommandIo | pci::kCommandMemory | pci::kCommandMaster);
  ring_->Publish({{0x8000, 4, 0}, {0x9000, 4, kWrite}});
  loop_.RunPosted();
  const int handled = seen_.handled;
  Store(ports_, kPort, 2, 1);  // none such
  Store(ports_, kPort, 4, 0xffff);
  Store(ports_, kPort + 2, 2, 0);
  loop_.RunPosted();
  EXPECT_EQ(seen_.handled, handled);
  Store(ports_, kPort, 2, 0);
  loop_.RunPosted();
  EXPECT_EQ(seen_.handled, handled + 1);
  EXPECT_EQ(Load(ports_, kPort, 4), 0u);
}

TEST_F(VirtioPciTest, APortIsForTheRootBusAndNotForANetworkCard) {
  DeviceTraits traits;
  traits.id = kIdNet;
  EXPECT_FALSE(VirtioPci::PortByDefault(traits, host_.root()));
  traits.id = kIdBlock;
  EXPECT_TRUE(VirtioPci::PortByDefault(traits, host_.root()));
}

TEST_F(VirtioPciTest, WindowReachesThePort) {
  Plug({.function = {}, .port_notify = true});
  Start();
  const uint32_t window = device_->config().FindCapability(pci::kCapVendor);
  ASSERT_EQ(ConfigLoad(0, kAt, window + 3, 1), kCapWindow);
  ConfigStore(0, kAt, window + 4, kPortBar, 1);
  ConfigStore(0, kAt, window + 12, 2);
  const int handled = seen_.handled;
  ConfigStore(0, kAt, window + 8, kPortSize);  // behind it
  ConfigStore(0, kAt, window + 16, 0, 2);
  loop_.RunPosted();
  EXPECT_EQ(seen_.handled, handled);
  ConfigStore(0, kAt, window + 8, 0);
  ConfigStore(0, kAt, window + 16, 0, 2);
  loop_.RunPosted();
  EXPECT_EQ(seen_.handled, handled + 1);
}

TEST_F(VirtioPciTest, KickOfAnyIndexIsHarmless) {
  Plug();
  Start();
  doorbells_.refuse = true;
  for (uint32_t offset = 0; offset < kBlockSize; offset += 4) {
    Set(kNotifyOffset + offset, 2, 0xffff);
  }
  loop_.RunPosted();
  EXPECT_EQ(frontend_->status(), 15);
}

TEST_F(VirtioPciTest, WithoutBusMasteringKicksWait) {
  Plug();
  Start();
  Command(pci::kCommandMemory);
  Request();
  EXPECT_EQ(seen_.handled, 1);
  Command(pci::kCommandMemory | pci::kCommandMaster);
  loop_.RunPosted();
  EXPECT_EQ(seen_.handled, 2);
}

TEST_F(VirtioPciTest, DeviceResetClearsTheTransport) {
  Plug();
  Start();
  Request();
  Set(kConfigMsixVector, 2, 1);
  Set(kDeviceStatus, 1, 0);
  EXPECT_EQ(Get(kDeviceStatus, 1), 0u);
  EXPECT_EQ(Get(kConfigMsixVector, 2), kNoVector);
  EXPECT_EQ(Get(kQueueSelect, 2), 0u);
  EXPECT_FALSE(Line(1));
  EXPECT_EQ(Get(kIsrOffset, 1), 0u);
  EXPECT_EQ(Get(kQueueEnable, 2), 0u);
}

TEST_F(VirtioPciTest, QueueResetDisablesTheQueue) {
  Plug();
  Start();
  Set(kQueueReset, 2, 1);
  EXPECT_EQ(Get(kQueueReset, 2), 0u);
  EXPECT_EQ(Get(kQueueEnable, 2), 0u);
  EXPECT_TRUE(doorbells_.bound.empty());
  SetUpQueue(0, 0x4000);
  EXPECT_EQ(doorbells_.bound.size(), 1u);
  Request();
  EXPECT_TRUE(Line(1));
}

TEST_F(VirtioPciTest, MachineResetResetsTheDevice) {
  Plug();
  Start();
  Request();
  host_.Reset();
  EXPECT_EQ(frontend_->status(), 0);
  EXPECT_FALSE(Line(1));
  EXPECT_TRUE(doorbells_.bound.empty());
  MapBars();
  Start();
  Request();
  EXPECT_TRUE(Line(1));
}

TEST_F(VirtioPciTest, WithoutVectorsThereIsNoMsix) {
  Plug({.function = {.driver = "virtio-echo-pci", .id = {}}, .vectors = 0});
  EXPECT_EQ(device_->config().FindCapability(pci::kCapMsix), 0u);
  EXPECT_EQ(ConfigLoad(0, kAt, 0x14), 0u);
  Set(kConfigMsixVector, 2, 0);
  EXPECT_EQ(Get(kConfigMsixVector, 2), kNoVector);
}

// Identities only.
class StubDevice final : public VirtioDevice {
 public:
  StubDevice(uint16_t id, size_t queues) {
    traits_.name = "stub";
    traits_.id = id;
    traits_.queue_sizes.assign(queues, 8);
  }
  const DeviceTraits& traits() const override { return traits_; }
  void ReadConfig(uint32_t, std::span<uint8_t>) override {}
  void WriteConfig(uint32_t, std::span<const uint8_t>) override {}
  Status Activate(uint64_t, std::span<VirtQueue* const>) override { return {}; }
  void HandleQueue(uint16_t) override {}
  bool Reset() override { return true; }

 private:
  DeviceTraits traits_;
};

struct Recorded {
  const char* file;
  uint16_t id;
  size_t queues;
  bool behind_port;
  VirtioPciConfig config = {};
};

class RecordedVirtioTest : public pci::HostFixture, public ::testing::WithParamInterface<Recorded> {
 protected:
  io::FakeEventLoop loop_;
  RecordingDoorbells doorbells_;
};

TEST_P(RecordedVirtioTest, ConfigurationSpaceIsQemus) {
  const Recorded& param = GetParam();
  Frontend frontend(std::make_unique<StubDevice>(param.id, param.queues), {}, loop_, {});
  VirtioPci device(param.config, frontend, doorbells_);
  pci::RootPort port({.bus_name = "rp"}, host_);
  pci::Bus* bus = &host_.root();
  if (param.behind_port) {
    ASSERT_TRUE(host_.root().Attach(port, kAt));
    ConfigStore(0, kAt, pci::kPrimaryBus, 0x00010100);
    bus = &port.secondary();
  }
  ASSERT_TRUE(bus->Attach(device, param.behind_port ? 0 : kAt));
  const pci::RecordedConfig qemu = pci::LoadRecordedConfig(
      std::string("vmm/virtio/transport/pci/testdata/") + param.file + ".hex");
  const pci::RecordedConfig ours =
      param.behind_port ? RecordConfig(host_, 1, 0, 4096) : RecordConfig(host_, 0, kAt, 256);
  EXPECT_EQ(pci::Difference(ours.bytes, qemu.bytes), "");
  EXPECT_EQ(pci::Difference(ours.writable, qemu.writable), "");
  bus->Detach(device);
  if (param.behind_port) host_.root().Detach(port);
}

INSTANTIATE_TEST_SUITE_P(
    Devices, RecordedVirtioTest,
    ::testing::Values(
        Recorded{"rng_root_bus_port", kIdRng, 1, false, {.function = {}, .port_notify = true}},
        Recorded{"rng_root_bus", kIdRng, 1, false}, Recorded{"rng_behind_port", kIdRng, 1, true},
        Recorded{"balloon_behind_port", kIdBalloon, 3, true},
        Recorded{"blk_behind_port", kIdBlock, 4, true},
        Recorded{"scsi_root_bus",
                 kIdScsi,
                 6,
                 false,
                 {.function = {.driver = {}, .id = {}, .multifunction = true}, .vectors = 200}}),
    [](const auto& info) { return std::string(info.param.file); });

}  // namespace
}  // namespace davit::virtio
