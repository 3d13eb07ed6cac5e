// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A guest that does anything to PCI: configuration space by ports and ECAM, BARs put anywhere,
// bridges, MSI-X tables, virtio registers. After all of it each claim of the buses belongs to a
// mapped BAR, none lies over RAM, and everything can be taken apart.
#include <array>
#include <memory>

#include "tests/fuzz/devices/access_stream.h"
#include "vmm/base/check.h"
#include "vmm/base/endian.h"
#include "vmm/base/units.h"
#include "vmm/io/testing/fake_event_loop.h"
#include "vmm/irq/recording_irq_line.h"
#include "vmm/irq/recording_msi.h"
#include "vmm/memory/ram_block.h"
#include "vmm/pci/host_bridge.h"
#include "vmm/pci/intx_lines.h"
#include "vmm/pci/root_port.h"
#include "vmm/virtio/testing/echo_device.h"
#include "vmm/virtio/transport/pci/virtio_pci.h"

namespace davit {
namespace {

constexpr uint64_t kEcam = 0xb0000000;
constexpr uint64_t kRam = 0, kRamSize = kMiB;

class NoDoorbells final : public bus::DoorbellHost {
 public:
  Status Bind(const bus::Doorbell&, int) override { return Fail("none"); }
  void Unbind(const bus::Doorbell&, int) override { DAVIT_CHECK(false); }
};

bool TouchesRam(uint64_t base, uint64_t size) {
  return base < kRam + kRamSize && base + (size - 1) >= kRam;
}

memory::GuestMemory MakeMemory() {
  memory::RamBlockOptions options;
  options.id = "ram";
  options.size = kRamSize;
  return *memory::GuestMemory::Create({{{kRam}, kRamSize, *memory::RamBlock::Create(options), 0}});
}

class Machine {
 public:
  Machine() {
    DAVIT_CHECK(host_.ClaimPorts().has_value());
    host_.LockedSetEcam(kEcam, 256);
    DAVIT_CHECK(host_.root().Attach(port_, pci::Devfn(1, 0)).has_value());
    DAVIT_CHECK(port_.secondary().Attach(behind_, std::nullopt).has_value());
    DAVIT_CHECK(host_.root().Attach(integrated_, pci::Devfn(2, 0)).has_value());
  }
  ~Machine() {
    CheckClaims();
    port_.secondary().Detach(behind_);
    host_.root().Detach(integrated_);
    host_.root().Detach(port_);
    DAVIT_CHECK(mmio_.claims().size() == 1);
    for (irq::RecordingIrqLine& line : lines_) DAVIT_CHECK(!line.level());
    behind_frontend_.Quiesce();
    integrated_frontend_.Quiesce();
  }

  void Step(fuzz::AccessStream& stream) {
    const uint8_t what = stream.Next();
    switch (what & 15) {
      case 0:
        return ports_.stream(stream, 0xcf8);
      case 1:
        return SetUp(stream);
      case 2:
      case 3:
      case 4:
        return InBar(stream, what & 0x40 ? behind_ : integrated_);
      case 5:
        (what & 0x40 ? behind_ : integrated_).RaiseQueue(stream.Next());
        return;
      case 6:
        (what & 0x40 ? behind_ : integrated_).RaiseConfig();
        return;
      case 7:
        if (what == 0xf7) host_.Reset();
        return;
      case 8:
        loop_.RunPosted();
        return;
      case 9:
        return Store(kEcam + stream.Next() * 0x8000u + stream.Next(), 4,
                     stream.Next() * 0x01010101u);
      default:
        return Config(stream);
    }
  }

 private:
  struct PortBus : bus::Bus {
    PortBus() : Bus("I/O port") {}
    void stream(fuzz::AccessStream& stream, uint64_t base) {
      std::array<uint8_t, 4> data = {stream.Next(), stream.Next(), stream.Next(), 0x80};
      Write(base, data);
      const size_t size = 1u << stream.Next() % 3;
      const uint64_t at = base + 4 + stream.Next() % 4;
      if (stream.Next() & 1) Write(at, std::span(data).first(size));
      Read(at, std::span(data).first(size));
    }
  };

  void Store(uint64_t address, size_t size, uint64_t value) {
    std::array<uint8_t, 8> data{};
    StoreLe(data.data(), size, value);
    mmio_.Write(address, std::span(data).first(size));
  }
  // Any register of a function that is there, any width.
  void Config(fuzz::AccessStream& stream) {
    constexpr std::array<uint32_t, 3> kPlaces = {0x008000, 0x010000, 0x100000};
    const uint8_t how = stream.Next();
    const uint64_t base = kEcam + kPlaces[how % 3];
    const uint64_t offset = stream.Next() | (how & 0x80 ? stream.Next() % 16 << 8 : 0);
    std::array<uint8_t, 8> data{};
    const auto bytes = std::span(data).first(1u << (how >> 2) % 4);
    if (how & 0x40) {
      for (uint8_t& byte : bytes) byte = stream.Next();
      mmio_.Write(base + offset, bytes);
    } else {
      mmio_.Read(base + offset, bytes);
    }
  }
  // What firmware does, with places of the fuzzer's choice: so that BARs are mapped often.
  void SetUp(fuzz::AccessStream& stream) {
    Store(kEcam + 0x8000 + pci::kPrimaryBus, 4, 0x00010100);
    Store(kEcam + 0x8000 + pci::kMemoryBase, 4, 0xfff0e000);
    for (const uint64_t base : {kEcam + 0x100000, kEcam + 0x10000}) {
      Store(base + 0x14, 4, 0xe0000000 | stream.Next() << 12);
      Store(base + 0x20, 4, 0xe0000000 | stream.Next() << 12);
      Store(base + 0x24, 4, stream.Next() & 1);
      Store(base + pci::kCommand, 2, 7);
    }
    Store(kEcam + 0x8000 + pci::kCommand, 2, 7);
  }
  void InBar(fuzz::AccessStream& stream, virtio::VirtioPci& device) {
    const int index = stream.Next() & 1 ? 1 : 4;
    for (const pci::Function::BarInfo& bar : device.bars()) {
      if (bar.index != index) continue;
      if (stream.Next() & 1) {
        stream.Access(*bar.spec.device, 64);
      } else {
        stream.Access(*bar.spec.device, bar.spec.size - 1);
      }
    }
  }
  void CheckClaims() {
    size_t mapped = 1;  // ECAM
    for (pci::Function* function : host_.AllFunctions()) {
      for (const pci::Function::BarInfo& bar : function->bars()) {
        if (!bar.mapped) continue;
        ++mapped;
        DAVIT_CHECK(!TouchesRam(*bar.mapped, bar.spec.size));
      }
    }
    DAVIT_CHECK(mmio_.claims().size() == mapped);
  }

  PortBus ports_;
  bus::Bus mmio_{"MMIO"};
  irq::RecordingMsi msi_;
  std::array<irq::RecordingIrqLine, 4> lines_;
  pci::IntxLines intx_{{&lines_[0], &lines_[1], &lines_[2], &lines_[3]},
                       [](uint8_t slot, uint8_t pin) { return (slot + pin) % 4u; }};
  pci::HostBridge host_{{ports_, mmio_, msi_, intx_, TouchesRam}, "pcie.0"};
  memory::GuestMemory memory_ = MakeMemory();
  io::FakeEventLoop loop_;
  NoDoorbells doorbells_;
  virtio::testing::EchoDevice::Seen behind_seen_, integrated_seen_;
  virtio::Frontend behind_frontend_{
      std::make_unique<virtio::testing::EchoDevice>(behind_seen_), {}, loop_, memory_};
  virtio::Frontend integrated_frontend_{
      std::make_unique<virtio::testing::EchoDevice>(integrated_seen_), {}, loop_, memory_};
  pci::RootPort port_{{.bus_name = "rp"}, host_};
  virtio::VirtioPci behind_{{}, behind_frontend_, doorbells_};
  virtio::VirtioPci integrated_{{}, integrated_frontend_, doorbells_};
};

}  // namespace
}  // namespace davit

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  davit::fuzz::AccessStream stream(data, size);
  davit::Machine machine;
  while (!stream.done()) machine.Step(stream);
  return 0;
}
