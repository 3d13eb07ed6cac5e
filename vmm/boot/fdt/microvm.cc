// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The microvm's own tree. Interrupt controllers and their two interrupt cells (pin, sense) follow
// the one x86 binding that Linux has, "intel,ce4100-ioapic". Port devices lie on an ISA bus node.
#include <fmt/format.h>

#include <algorithm>

#include "vmm/boot/fdt/fdt.h"
#include "vmm/boot/fdt/writer.h"

namespace davit::boot {
namespace {

// phandles
constexpr uint32_t kIoapic = 1;
constexpr uint32_t kIoapic2 = 2;
constexpr uint32_t kLapic = 3;
constexpr uint32_t kPmRegisters = 4;

// Second interrupt cell.
constexpr uint32_t kEdgeRising = 0;
constexpr uint32_t kLevelHigh = 2;

constexpr uint32_t kIsaPort = 1;  // first address cell of an ISA node: a port

constexpr uint32_t kSleepEnable = 1u << 5;  // in the sleep control register
constexpr uint32_t kSerialClock = 1843200;  // Hz

void DescribeChosen(FdtWriter& tree, const FdtConfig& config) {
  tree.Begin("chosen");
  tree.Text("bootargs", config.bootargs);
  if (config.serial) tree.Text("stdout-path", fmt::format("/bus/isa@0/serial@{:x}", kSerialPort));
  if (config.initrd.size != 0) {
    tree.Cells64("linux,initrd-start", {config.initrd.base});
    tree.Cells64("linux,initrd-end", {config.initrd.end()});
  }
  tree.End();
}

void DescribeCpus(FdtWriter& tree, const FdtConfig& config) {
  tree.Begin("cpus");
  tree.Cells("#address-cells", {1});
  tree.Cells("#size-cells", {0});
  for (uint32_t apic_id : config.apic_ids) {
    tree.Begin(fmt::format("cpu@{:x}", apic_id));
    tree.Text("device_type", "cpu");
    tree.Text("compatible", "linux,microvm-cpu");
    tree.Cells("reg", {apic_id});
    tree.Text("status", "okay");
    tree.End();
  }
  tree.End();
}

void DescribeMemory(FdtWriter& tree, const FdtConfig& config) {
  for (const MemoryRange& range : config.ram) {
    tree.Begin(fmt::format("memory@{:x}", range.base));
    tree.Text("device_type", "memory");
    tree.Cells64("reg", {range.base, range.size});
    tree.End();
  }
}

void DescribeIoapic(FdtWriter& tree, uint64_t base, uint32_t phandle) {
  tree.Begin(fmt::format("interrupt-controller@{:x}", base));
  tree.Text("compatible", "intel,ce4100-ioapic");
  tree.Cells64("reg", {base, kIoapicSize});
  tree.Empty("interrupt-controller");
  tree.Cells("#interrupt-cells", {2});
  tree.Cells("#address-cells", {0});
  tree.Cells("phandle", {phandle});
  tree.End();
}

void DescribeInterruptControllers(FdtWriter& tree, const FdtConfig& config) {
  DescribeIoapic(tree, kIoapicBase, kIoapic);
  if (config.ioapic2) DescribeIoapic(tree, kIoapic2Base, kIoapic2);
  tree.Begin(fmt::format("interrupt-controller@{:x}", kLapicBase));
  tree.Text("compatible", "intel,ce4100-lapic");
  tree.Cells64("reg", {kLapicBase, kPageSize});
  tree.Cells("phandle", {kLapic});
  tree.End();
}

void DescribeIsa(FdtWriter& tree, const FdtConfig& config) {
  if (!config.serial && !config.rtc) return;
  tree.Begin("bus");
  tree.Cells("#address-cells", {2});
  tree.Cells("#size-cells", {2});
  tree.Empty("ranges");
  tree.Begin("isa@0");
  tree.Text("device_type", "isa");
  tree.Text("compatible", "isa");
  tree.Cells("#address-cells", {2});
  tree.Cells("#size-cells", {1});
  tree.Cells("ranges", {kIsaPort, 0, 0, 0, 0x10000});
  if (config.rtc) {
    tree.Begin(fmt::format("rtc@{:x}", kRtcPort));
    tree.Text("compatible", "motorola,mc146818");
    tree.Cells("reg", {kIsaPort, kRtcPort, 2});
    tree.Cells("interrupts", {kRtcGsi, kEdgeRising});
    tree.End();
  }
  if (config.serial) {
    tree.Begin(fmt::format("serial@{:x}", kSerialPort));
    tree.Text("device_type", "serial");
    tree.Text("compatible", "ns16550a");
    tree.Cells("reg", {kIsaPort, kSerialPort, kSerialPorts});
    tree.Cells("interrupts", {kSerialGsi, kEdgeRising});
    tree.Cells("clock-frequency", {kSerialClock});
    tree.End();
  }
  tree.End();
  tree.End();
}

// Every slot; those without a device are "disabled", so that no driver probes them.
void DescribeVirtioMmio(FdtWriter& tree, const FdtConfig& config) {
  for (size_t slot = 0; slot < config.virtio.slots; ++slot) {
    const uint32_t gsi = config.virtio.SlotGsi(slot);
    const bool second = gsi >= kIoapicPins;
    const bool used = std::count(config.virtio_slots.begin(), config.virtio_slots.end(), slot) != 0;
    tree.Begin(fmt::format("virtio_mmio@{:x}", config.virtio.SlotBase(slot)));
    tree.Text("compatible", "virtio,mmio");
    tree.Cells64("reg", {config.virtio.SlotBase(slot), kVirtioMmioStride});
    tree.Cells("interrupt-parent", {second ? kIoapic2 : kIoapic});
    tree.Cells("interrupts", {second ? gsi - kIoapicPins : gsi, kLevelHigh});
    tree.Empty("dma-coherent");
    tree.Text("status", used ? "okay" : "disabled");
    tree.End();
  }
}

// Power-off and reset as plain register writes ("syscon-poweroff", "syscon-reboot").
void DescribePower(FdtWriter& tree, const FdtConfig& config) {
  if (!config.ged) return;
  tree.Begin(fmt::format("syscon@{:x}", kGedRegsBase));
  tree.Text("compatible", "syscon");
  tree.Cells64("reg", {kGedRegsBase, kGedRegsSize});
  tree.Cells("reg-io-width", {1});
  tree.Cells("phandle", {kPmRegisters});
  tree.End();
  tree.Begin("poweroff");
  tree.Text("compatible", "syscon-poweroff");
  tree.Cells("regmap", {kPmRegisters});
  tree.Cells("offset", {static_cast<uint32_t>(kGedSleepControl - kGedRegsBase)});
  tree.Cells("value", {uint32_t{kGedSleepTypeS5} << 2 | kSleepEnable});
  tree.End();
  tree.Begin("reboot");
  tree.Text("compatible", "syscon-reboot");
  tree.Cells("regmap", {kPmRegisters});
  tree.Cells("offset", {static_cast<uint32_t>(kGedReset - kGedRegsBase)});
  tree.Cells("value", {kGedResetValue});
  tree.End();
}

}  // namespace

std::vector<std::byte> BuildFdt(const FdtConfig& config) {
  return FdtWriter::Write([&config](FdtWriter& tree) {
    tree.Text("compatible", "linux,microvm");
    tree.Text("model", "davit microvm");
    tree.Cells("#address-cells", {2});
    tree.Cells("#size-cells", {2});
    tree.Cells("interrupt-parent", {kIoapic});
    DescribeChosen(tree, config);
    DescribeCpus(tree, config);
    DescribeMemory(tree, config);
    DescribeInterruptControllers(tree, config);
    DescribeIsa(tree, config);
    DescribePower(tree, config);
    DescribeVirtioMmio(tree, config);
  });
}

}  // namespace davit::boot
