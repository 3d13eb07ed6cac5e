// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Hot-plug with the probe guest: cards of all kinds in PCI Express slots, memory modules, memory of
// virtio-mem and CPUs come and go with their back ends, in any order, while the guest runs, is
// stopped or is reset; then the process and its objects are what they were. All of it happens in
// the sandbox as libvirt asks for it, on every thread. $DAVIT_HOTPLUG_OPERATIONS: how many, for the
// soak. $DAVIT_HOTPLUG_SEED: what they are chosen by, which a failure tells.
#include <gtest/gtest.h>

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <utility>

#include "tests/guest/guest_vm.h"
#include "tests/guest/holdings.h"
#include "tests/guest/own_network.h"
#include "tests/support/sandbox.h"

namespace davit::testing {
namespace {

using json::Object;

constexpr unsigned kPorts = 4;
constexpr int kOperations = 300;
constexpr unsigned kSeed = 4;
constexpr int64_t kMib = 1 << 20;
constexpr int64_t kGuestCid = 0x68707370;  // of nobody else, it is hoped
constexpr int64_t kMostMem = 64;           // MiB that virtio-mem is asked for
// Beyond what the allocator and the caches of the process may grow by.
constexpr uint64_t kLeakBytes = 16 << 20;

struct Call {
  const char* command = nullptr;
  Object arguments;
};
using Calls = std::vector<Call>;

enum class Place { kSlot, kMemory, kCpu, kObject };  // kObject: back ends alone

// What comes and goes, with back ends that do so, too, and what is plugged into it.
struct Kind {
  std::string id;
  Place place = Place::kSlot;
  Object device = {};
  Calls add = {};     // the back ends; none: it has none
  Calls remove = {};  // the back ends, the one that it uses first
  bool holds = true;  // the back end cannot go before it
  Object child = {};
  bool is_port() const {
    return !device.empty() && *device.Find("driver") == json::Value("pcie-root-port");
  }
  std::string child_id() const { return id + ".child"; }
  std::string child_bus() const { return is_port() ? id : id + ".0"; }
};

Kind Disk(const std::string& id, const std::string& file, Object device, Object child = {}) {
  return {.id = id,
          .device = std::move(device),
          .add = {{"blockdev-add",
                   {{"driver", "file"}, {"node-name", id + ".node"}, {"filename", file}}}},
          .remove = {{"blockdev-del", {{"node-name", id + ".node"}}}},
          .child = std::move(child)};
}

// On a node with the limits of a group.
Kind Throttled(const std::string& id) {
  const std::string group = id + ".group", node = id + ".node";
  const Object limits = {{"iops-total", int64_t{1000}}};
  return {
      .id = id,
      .device = {{"driver", "virtio-blk-pci"}, {"drive", node}},
      .add = {{"object-add", {{"qom-type", "throttle-group"}, {"id", group}, {"limits", limits}}},
              {"blockdev-add",
               {{"driver", "throttle"},
                {"node-name", node},
                {"throttle-group", group},
                {"file", Object{{"driver", "null-co"}}}}}},
      .remove = {{"blockdev-del", {{"node-name", node}}}, {"object-del", {{"id", group}}}}};
}

// One that is encrypted with another.
Kind Secrets(const std::string& id) {
  const std::string key = id + ".key", inner = id + ".inner";
  return {
      .id = id,
      .place = Place::kObject,
      .add = {{"object-add", {{"qom-type", "secret"}, {"id", key}, {"data", std::string(32, 'k')}}},
              {"object-add",
               {{"qom-type", "secret"},
                {"id", inner},
                {"data", ""},
                {"keyid", key},
                {"iv", "AAECAwQFBgcICQoLDA0ODw=="}}}},
      .remove = {{"object-del", {{"id", key}}}, {"object-del", {{"id", inner}}}}};
}

Kind Card(const std::string& id, const Object& netdev) {
  Object options = netdev;
  options.Set("id", id + ".net");
  return {.id = id,
          .device = {{"driver", "virtio-net-pci"}, {"netdev", id + ".net"}},
          .add = {{"netdev_add", options}},
          .remove = {{"netdev_del", {{"id", id + ".net"}}}},
          .holds = false};
}

Kind Dimm(const std::string& id, const char* backend, int64_t size) {
  return {.id = id,
          .place = Place::kMemory,
          .device = {{"driver", "pc-dimm"}, {"memdev", id + ".memory"}},
          .add = {{"object-add", {{"qom-type", backend}, {"id", id + ".memory"}, {"size", size}}}},
          .remove = {{"object-del", {{"id", id + ".memory"}}}}};
}

Kind Cpu(int64_t core) {
  return {.id = "cpu" + std::to_string(core),
          .place = Place::kCpu,
          .device = {{"driver", "host-x86_64-cpu"},
                     {"socket-id", int64_t{0}},
                     {"core-id", core},
                     {"thread-id", int64_t{0}}}};
}

std::vector<Kind> Kinds(const TempDir& dir) {
  std::vector<Kind> kinds = {
      {.id = "rng",
       .device = {{"driver", "virtio-rng-pci"}, {"rng", "rng.source"}},
       .add = {{"object-add", {{"qom-type", "rng-builtin"}, {"id", "rng.source"}}}},
       .remove = {{"object-del", {{"id", "rng.source"}}}},
       .holds = false},
      Disk("disk0", dir.File("d0"),
           {{"driver", "virtio-blk-pci"}, {"drive", "disk0.node"}, {"iothread", "io0"}}),
      Disk("disk1", dir.File("d1"), {{"driver", "virtio-blk-pci"}, {"drive", "disk1.node"}}),
      Disk("scsi", dir.File("d2"), {{"driver", "virtio-scsi-pci"}, {"iothread", "io0"}},
           {{"driver", "scsi-hd"}, {"drive", "scsi.node"}}),
      {.id = "serial",
       .device = {{"driver", "virtio-serial-pci"}},
       .add = {{"chardev-add",
                {{"id", "serial.ring"},
                 {"backend", Object{{"type", "ringbuf"}, {"data", Object{}}}}}}},
       .remove = {{"chardev-remove", {{"id", "serial.ring"}}}},
       .child = {{"driver", "virtserialport"},
                 {"chardev", "serial.ring"},
                 {"name", "org.davit.0"}}},
      Card("user", {{"type", "user"}}),
      {.id = "port",
       .device = {{"driver", "pcie-root-port"}, {"chassis", int64_t{kPorts + 1}}},
       .add = {{"blockdev-add", {{"driver", "null-co"}, {"node-name", "port.node"}}}},
       .remove = {{"blockdev-del", {{"node-name", "port.node"}}}},
       .child = {{"driver", "virtio-blk-pci"}, {"drive", "port.node"}}},
      {.id = "balloon", .device = {{"driver", "virtio-balloon-pci"}}},
      {.id = "panic", .device = {{"driver", "pvpanic-pci"}}},
      {.id = "watchdog", .device = {{"driver", "i6300esb"}}},
      Throttled("limited"),
      Secrets("secret"),
      Dimm("dimm0", "memory-backend-ram", 32 * kMib),
      Dimm("dimm1", "memory-backend-memfd", 16 * kMib),
      Cpu(1),
      Cpu(2),
  };
  const Object tap = {{"type", "tap"}, {"script", "no"}, {"downscript", "no"}};
  if (HasTap()) kinds.push_back(Card("tap", tap));
  if (HasVhost()) {
    Object vhost = tap;
    vhost.Set("vhost", true);
    kinds.push_back(Card("vhost", vhost));
  }
  if (access("/dev/vhost-vsock", R_OK | W_OK) == 0) {
    kinds.push_back(
        {.id = "vsock", .device = {{"driver", "vhost-vsock-pci"}, {"guest-cid", kGuestCid}}});
  }
  return kinds;
}

class ProbeGuestHotplug : public ::testing::Test {
 protected:
  void SetUp() override {
    if (std::string why = WhyNoKvm(); !why.empty()) GTEST_SKIP() << why;
    if (VmmIsQemu()) GTEST_SKIP() << "davit's own: QEMU's boards are booted by firmware";
    for (const char* disk : {"d0", "d1", "d2"}) {
      std::ofstream(dir_.File(disk)).close();
      std::filesystem::resize_file(dir_.File(disk), kMib);
    }
    kinds_ = Kinds(dir_);
    Args args = {"-sandbox", kLibvirtSandbox,
                 "-machine", "q35",
                 "-m",       "128M,slots=4,maxmem=1G",
                 "-smp",     "1,maxcpus=3,cores=3",
                 "-object",  "iothread,id=io0",
                 "-object",  "memory-backend-ram,id=mem0,size=" + std::to_string(kMostMem) + "M",
                 "-device",  "virtio-mem-pci,id=mem,memdev=mem0"};
    for (unsigned i = 1; i <= kPorts; ++i) {
      const std::string n = std::to_string(i);
      args.insert(args.end(), {"-device", "pcie-root-port,id=port" + n + ",chassis=" + n});
    }
    vm_ = StartProbe(args);
    ASSERT_NE(vm_, nullptr);
    const json::Value ports = Query("query-pci");
    for (const json::Value& device : *(*ports.AsArray())[0]["devices"].AsArray()) {
      const std::string& id = *device["qdev_id"].AsString();
      if (id.starts_with("port")) port_slots_[id] = *device["slot"].AsInt();
    }
    ASSERT_EQ(port_slots_.size(), kPorts);
  }

  json::Value Query(std::string_view command) {
    auto reply = vm_->qmp().Execute(command);
    EXPECT_TRUE(reply) << command << ": " << reply.error();
    return reply ? *reply : json::Value();
  }
  std::string Try(std::string_view command, Object arguments = {}) {
    auto reply = vm_->qmp().Execute(command, std::move(arguments));
    return reply ? "" : reply.error().message;
  }
  void Do(std::string_view command, Object arguments = {}) {
    EXPECT_EQ(Try(command, std::move(arguments)), "") << command;
  }
  void Do(const Calls& calls) {
    for (const Call& call : calls) Do(call.command, call.arguments);
  }
  std::string Try(const Call& call) { return Try(call.command, call.arguments); }
  void AwaitDeleted(const std::string& id) {
    for (;;) {
      auto event = vm_->qmp().WaitEvent("DEVICE_DELETED", kReplyTime);
      ASSERT_TRUE(event) << id << ": " << event.error().message << StateOf(*vm_);
      if (event->data["device"] == json::Value(id)) return;
    }
  }
  void AwaitLine(const std::string& prefix, const char* end) {
    for (;;) {
      const auto line = vm_->serial().WaitForLine(prefix, kReplyTime);
      ASSERT_TRUE(line) << prefix << StateOf(*vm_);
      if (line->ends_with(end)) return;
    }
  }
  // The guest uses it.
  void AwaitUse(const Kind& kind, unsigned port) {
    switch (kind.place) {
      case Place::kSlot: {
        const auto slot = static_cast<unsigned>(port_slots_["port" + std::to_string(port)]);
        constexpr char kDigits[] = "0123456789abcdef";
        return AwaitLine(std::string("hotplug: 0:") + kDigits[slot] + ".0", " on");
      }
      case Place::kMemory:
        return AwaitLine("dimm: slot ", " ok");
      case Place::kCpu:
        return AwaitLine("cpu: " + kind.id.substr(3) + " apic id ", " runs");
      case Place::kObject:
        return;
    }
  }
  void AwaitReady() {
    ASSERT_TRUE(vm_->serial().WaitFor("ready, h for help", kReplyTime)) << StateOf(*vm_);
  }

  // A command of the probe guest, and the line that ends it well.
  void Use(const char* command, const char* answer) {
    ASSERT_OK(vm_->serial().Send(command));
    ASSERT_TRUE(vm_->serial().WaitFor(answer, kReplyTime)) << answer << StateOf(*vm_);
  }

  static Object Arguments(const Kind& kind, unsigned port) {
    Object arguments = kind.device;
    arguments.Set("id", kind.id);
    if (kind.place == Place::kSlot) arguments.Set("bus", "port" + std::to_string(port));
    return arguments;
  }
  void AddChild(const Kind& kind) {
    if (kind.child.empty()) return;
    Object child = kind.child;
    child.Set("id", kind.child_id());
    child.Set("bus", kind.child_bus());
    Do("device_add", child);
  }
  // The card behind a port that came, in its only slot.
  void AwaitUseOfChild(const Kind& kind) {
    if (kind.is_port()) AwaitLine("hotplug: ", ":0.0 on");
  }
  // Its back end is free as soon as it is gone.
  void ReplaceChild(const Kind& kind) {
    EXPECT_NE(Try(kind.remove.front()), "");
    Do("device_del", {{"id", kind.child_id()}});
    ASSERT_NO_FATAL_FAILURE(AwaitDeleted(kind.child_id()));
    Do(kind.remove);
    Do(kind.add);
    AddChild(kind);
    AwaitUseOfChild(kind);
  }
  // stopped: the guest does not see it before it goes on.
  void Add(const Kind& kind, unsigned port, bool stopped = false) {
    if (!kind.add.empty() && !kind.device.empty() && kind.child.empty()) {
      EXPECT_NE(Try("device_add", Arguments(kind, port)), "") << "without its back end";
    }
    if (stopped) Do("stop");
    Do(kind.add);
    if (!kind.device.empty()) Do("device_add", Arguments(kind, port));
    AddChild(kind);
    if (stopped) Do("cont");
    ASSERT_NO_FATAL_FAILURE(AwaitUse(kind, port));
    AwaitUseOfChild(kind);
  }
  void Remove(const Kind& kind, bool stopped = false) {
    if (kind.device.empty()) return Do(kind.remove);
    if (stopped) Do("stop");
    Do("device_del", {{"id", kind.id}});
    if (stopped) {
      if (kind.place == Place::kSlot) {
        EXPECT_EQ(Try("device_del", {{"id", kind.id}}),
                  "Device " + kind.id + " is already in the process of unplug");
      }
      if (!kind.add.empty() && kind.holds) {
        EXPECT_NE(Try(kind.remove.front()), "") << "it is in use";
      }
      Do("cont");
    }
    ASSERT_NO_FATAL_FAILURE(AwaitDeleted(kind.id));
    Do(kind.remove);
  }
  // A guest that is dead: what it was asked for goes with the reset, but for CPUs, which the next
  // guest finds to be wanted.
  void RemoveByReset(const Kind& kind) {
    Do("stop");
    Do("device_del", {{"id", kind.id}});
    Do("system_reset");
    if (kind.place != Place::kCpu) {
      ASSERT_NO_FATAL_FAILURE(AwaitDeleted(kind.id));
    }
    Do("cont");
    // A guest that prints stands still while nobody reads.
    ASSERT_NO_FATAL_FAILURE(AwaitReady());
    if (kind.place == Place::kCpu) {
      ASSERT_NO_FATAL_FAILURE(AwaitDeleted(kind.id));
    }
    Do(kind.remove);
  }
  // virtio-mem: to so many blocks of two MiB.
  void Resize(int64_t blocks) {
    const int64_t bytes = blocks * 2 * kMib;
    if (bytes == mem_bytes_) return;
    mem_bytes_ = bytes;
    Do("qom-set",
       {{"path", "/machine/peripheral/mem"}, {"property", "requested-size"}, {"value", bytes}});
    // It looks when it is woken.
    Use(" ", ("virtio-mem: " + std::to_string(bytes) + " bytes").c_str());
  }

  TempDir dir_;
  std::vector<Kind> kinds_;
  std::map<std::string, int64_t> port_slots_;
  int64_t mem_bytes_ = 0;
  std::unique_ptr<Vm> vm_;
};

TEST_F(ProbeGuestHotplug, AGuestThatServesASlotUsesWhatComes) {
  const Kind& rng = kinds_[0];
  const Kind& disk = kinds_[1];
  ASSERT_NO_FATAL_FAILURE(Add(disk, 1));
  ASSERT_NO_FATAL_FAILURE(Use("d", "block: disk 1 ok"));
  ASSERT_NO_FATAL_FAILURE(Add(rng, 2));
  ASSERT_NO_FATAL_FAILURE(Use("g", "rng: ok"));
  EXPECT_EQ(Try("blockdev-del", {{"node-name", "disk0.node"}}), "Node disk0.node is in use");
  ASSERT_NO_FATAL_FAILURE(Remove(disk));
  ASSERT_NO_FATAL_FAILURE(Use("d", "block: 0 disks"));
}

// The press of the button waits in the slot's status until the guest's driver looks.
TEST_F(ProbeGuestHotplug, CardThatIsAskedForWhileTheGuestRebootsGoes) {
  const Kind& rng = kinds_[0];
  ASSERT_NO_FATAL_FAILURE(Add(rng, 1));
  Do("system_reset");
  Do("device_del", {{"id", rng.id}});
  ASSERT_NO_FATAL_FAILURE(AwaitReady());
  ASSERT_NO_FATAL_FAILURE(AwaitDeleted(rng.id));
  Do(rng.remove);
}

// Nothing runs before the test says so.
class ProbeGuestHotplugBeforeBoot : public ProbeGuestHotplug {
 protected:
  void SetUp() override {
    if (std::string why = WhyNoKvm(); !why.empty()) GTEST_SKIP() << why;
    if (VmmIsQemu()) GTEST_SKIP() << "davit's own: QEMU's boards are booted by firmware";
    vm_ =
        StartProbe({"-S", "-machine", "q35", "-device", "pcie-root-port,id=port1,chassis=1,addr=1",
                    "-device", "pcie-root-port,id=port2,chassis=2,addr=2", "-device",
                    "virtio-rng-pci,id=cold,bus=port1"});
    ASSERT_NE(vm_, nullptr);
  }
};

TEST_F(ProbeGuestHotplugBeforeBoot, WhatWasAskedForGoesAndWhatCameIsUsed) {
  Do("device_del", {{"id", "cold"}});
  EXPECT_EQ(Try("device_del", {{"id", "cold"}}), "Device cold is already in the process of unplug");
  Do("device_add", {{"driver", "virtio-rng-pci"}, {"id", "hot"}, {"bus", "port2"}});
  Do("cont");
  // A guest that prints stands still while nobody reads.
  ASSERT_NO_FATAL_FAILURE(AwaitReady());
  ASSERT_NO_FATAL_FAILURE(AwaitDeleted("cold"));
  ASSERT_NO_FATAL_FAILURE(AwaitLine("hotplug: 0:2.0", " on"));
  Do("device_add", {{"driver", "virtio-rng-pci"}, {"id", "cold"}, {"bus", "port1"}});
  AwaitLine("hotplug: 0:1.0", " on");
}

// One operation after the other on kinds and ports by chance; what is plugged where.
class ProbeGuestRandomHotplug : public ProbeGuestHotplug {
 protected:
  bool OneIn(unsigned n) { return random_() % n == 0; }
  unsigned FreePort() const {
    for (unsigned port = 1; port <= kPorts; ++port) {
      const auto in_it = [&](const auto& entry) { return entry.second == port; };
      if (std::none_of(plugged_.begin(), plugged_.end(), in_it)) return port;
    }
    return 0;
  }
  void Operate() {
    const size_t choice = random_() % (kinds_.size() + 1);
    if (choice == kinds_.size()) return Resize(random_() % (kMostMem / 2 + 1));
    const Kind& kind = kinds_[choice];
    if (plugged_.contains(&kind)) return OperateOnPlugged(kind);
    const unsigned port = kind.place == Place::kSlot ? FreePort() : 0;
    if (kind.place == Place::kSlot && port == 0) {
      EXPECT_NE(Try("device_add", Arguments(kind, AnyPort())), "") << kind.id;
      return;
    }
    ASSERT_NO_FATAL_FAILURE(Add(kind, port, OneIn(4)));
    plugged_[&kind] = port;
  }
  void OperateOnPlugged(const Kind& kind) {
    if (kind.device.empty()) {
      EXPECT_NE(Try(kind.add.front()), "") << "it is there";
    } else {
      EXPECT_EQ(Try("device_add", Arguments(kind, AnyPort())),
                "Duplicate device ID '" + kind.id + "'");
    }
    if (!kind.child.empty() && OneIn(2)) return ReplaceChild(kind);
    if (OneIn(16) && !kind.device.empty()) {
      ASSERT_NO_FATAL_FAILURE(RemoveByReset(kind));
    } else {
      ASSERT_NO_FATAL_FAILURE(Remove(kind, OneIn(4)));
    }
    plugged_.erase(&kind);
  }
  unsigned AnyPort() { return 1 + random_() % kPorts; }

  static unsigned Seed() {
    const char* const wanted = std::getenv("DAVIT_HOTPLUG_SEED");
    return wanted != nullptr ? static_cast<unsigned>(std::strtoul(wanted, nullptr, 10)) : kSeed;
  }
  const unsigned seed_ = Seed();
  std::mt19937 random_{seed_};
  std::map<const Kind*, unsigned> plugged_;  // its port, 0: it needs none
};

TEST_F(ProbeGuestRandomHotplug, OperationsLeaveNothingBehind) {
  SCOPED_TRACE("DAVIT_HOTPLUG_SEED=" + std::to_string(seed_));
  // Once each, for what is made at first use.
  for (const Kind& kind : kinds_) {
    ASSERT_NO_FATAL_FAILURE(Add(kind, 1)) << kind.id;
    ASSERT_NO_FATAL_FAILURE(Remove(kind)) << kind.id;
  }
  const Holdings before = HoldingsOf(*vm_);
  const uint64_t resident = ResidentBytes(*vm_);
  const char* const wanted = std::getenv("DAVIT_HOTPLUG_OPERATIONS");
  const int operations = wanted != nullptr ? std::atoi(wanted) : kOperations;
  for (int i = 0; i < operations; ++i) {
    ASSERT_NO_FATAL_FAILURE(Operate()) << "operation " << i;
    ASSERT_FALSE(HasFailure()) << "operation " << i;
  }
  ExpectFiltered(vm_->process().pid());  // also what came since: CPUs, I/O, vhost
  for (const auto& [kind, port] : plugged_) ASSERT_NO_FATAL_FAILURE(Remove(*kind)) << kind->id;
  ASSERT_NO_FATAL_FAILURE(Resize(0));
  ExpectHoldings(*vm_, before);
  EXPECT_LT(ResidentBytes(*vm_), resident + kLeakBytes);
  Do("object-del", {{"id", "io0"}});
}

}  // namespace
}  // namespace davit::testing
