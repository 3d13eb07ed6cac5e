// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See hotplug_table.h.
#include "tests/bench/hotplug_table.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace davit::bench {
namespace {

using json::Object;

// A removal by pciehp takes six seconds; the others take a tenth of one, which vary more.
constexpr int kFewRounds = 3, kRounds = 9;
constexpr const char* kModules =
    "virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk";

using Pair = std::array<std::unique_ptr<LoadedVm>, 2>;  // davitd, QEMU

struct Kind {
  const char* name;
  const char* global;  // of the slots' hot-plug
  Object device;
  const char* seen;        // a file of the guest that tells that it is there
  double guest_waits = 0;  // ms of the removal that the guest waits on purpose
};

constexpr char kNative[] = "off", kAcpi[] = "on";

std::array<Kind, 4> Kinds() {
  const Object disk = {
      {"driver", "virtio-blk-pci"}, {"id", "it"}, {"bus", "root0"}, {"drive", "node"}};
  const Object cpu = {{"driver", "host-x86_64-cpu"},
                      {"id", "it"},
                      {"socket-id", int64_t{0}},
                      {"core-id", int64_t{1}},
                      {"thread-id", int64_t{0}}};
  const Object dimm = {{"driver", "pc-dimm"}, {"id", "it"}, {"memdev", "module"}};
  return {{
      // pciehp waits for a second press of the button before it switches a slot off.
      {"disk, native slot", kNative, disk, "/sys/block/vda", 5000},
      {"disk, slot of ACPI", kAcpi, disk, "/sys/block/vda"},
      {"CPU", kAcpi, cpu, "/sys/devices/system/cpu/cpu1"},
      {"128 MiB of memory", kAcpi, dimm, "/sys/devices/system/memory/memory32"},
  }};
}

std::vector<std::string> Arguments(const std::string& program, const std::string& dir,
                                   const char* acpi) {
  return {program,
          "-machine",
          "q35",
          "-accel",
          "kvm",
          "-cpu",
          "host",
          "-nodefaults",
          "-no-user-config",
          "-display",
          "none",
          "-smp",
          "1,maxcpus=2,cores=2",
          "-m",
          "256M,slots=1,maxmem=2G",
          "-kernel",
          dir + "/vmlinuz",
          "-initrd",
          dir + "/device-initramfs",
          "-append",
          "console=ttyS0 quiet panic=-1",
          "-global",
          std::string("ICH9-LPC.acpi-pci-hotplug-with-bridge-support=") + acpi,
          "-device",
          "pcie-root-port,id=root0,chassis=1",
          "-object",
          "memory-backend-ram,id=module,size=128M",
          "-blockdev",
          "driver=null-co,node-name=node,size=1048576,read-zeroes=on"};
}

std::string AddRow(const Kind& kind) {
  return std::string("device_add to the guest: ") + kind.name;
}

std::string RemoveRow(const Kind& kind) {
  return std::string("device_del to DEVICE_DELETED: ") + kind.name +
         (kind.guest_waits != 0 ? ", less the guest's wait" : "");
}

bool RunKind(const HotplugRows& rows, const Kind& kind, const Pair& vms) {
  const std::string add = AddRow(kind), remove = RemoveRow(kind);
  Values added, removed;
  const int rounds = kind.guest_waits != 0 ? kFewRounds : kRounds;
  for (int round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < vms.size(); ++i) {
      auto there = vms[i]->Plug(kind.device, kind.seen);
      if (!there) return rows.failed(add + ", " + rows.programs[i], there.error());
      auto gone = vms[i]->Unplug("it");
      if (!gone) return rows.failed(remove + ", " + rows.programs[i], gone.error());
      added[i].push_back(*there);
      removed[i].push_back(*gone - kind.guest_waits);
    }
  }
  const bool met = rows.print(add, added);
  return rows.print(remove, removed) && met;
}

}  // namespace

bool RunHotplug(const HotplugRows& rows) {
  bool all = true;
  for (const char* acpi : {kNative, kAcpi}) {
    std::vector<Kind> kinds;
    for (const Kind& kind : Kinds()) {
      if (kind.global != acpi) continue;
      if (rows.wanted(AddRow(kind)) || rows.wanted(RemoveRow(kind))) kinds.push_back(kind);
    }
    if (kinds.empty()) continue;
    Pair vms;
    for (size_t i = 0; i < vms.size(); ++i) {
      auto vm = LoadedVm::Start(Arguments(rows.programs[i], rows.dir, acpi), kModules);
      if (!vm) return rows.failed(rows.programs[i], vm.error());
      vms[i] = std::move(*vm);
    }
    for (const Kind& kind : kinds) all = RunKind(rows, kind, vms) && all;
  }
  return all;
}

}  // namespace davit::bench
