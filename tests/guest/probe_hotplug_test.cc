// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Hot-plug with the probe guest: cards of all kinds come and go in PCI Express slots that the guest
// serves, in any order, while it runs, is stopped or is reset; then descriptors, threads and back
// ends of the process are what they were. $DAVIT_HOTPLUG_OPERATIONS: how many, for the soak.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>

#include "tests/guest/guest_vm.h"

namespace davit::testing {
namespace {

using json::Object;

constexpr unsigned kPorts = 4;
constexpr int kOperations = 300;

// A card, and what is plugged into it.
struct Card {
  const char* id;
  Object arguments;
  Object child;  // empty: none; its id is CHILD.ID
};

std::vector<Card> Cards() {
  return {
      {"rng", {{"driver", "virtio-rng-pci"}, {"rng", "r0"}}, {}},
      {"disk0", {{"driver", "virtio-blk-pci"}, {"drive", "d0"}, {"iothread", "io0"}}, {}},
      {"disk1", {{"driver", "virtio-blk-pci"}, {"drive", "d1"}}, {}},
      {"net", {{"driver", "virtio-net-pci"}, {"netdev", "n0"}}, {}},
      {"serial",
       {{"driver", "virtio-serial-pci"}},
       {{"driver", "virtserialport"}, {"chardev", "c0"}, {"name", "org.davit.0"}}},
      {"scsi",
       {{"driver", "virtio-scsi-pci"}, {"iothread", "io0"}},
       {{"driver", "scsi-hd"}, {"drive", "d2"}}},
      {"balloon", {{"driver", "virtio-balloon-pci"}}, {}},
      {"panic", {{"driver", "pvpanic-pci"}}, {}},
      {"watchdog", {{"driver", "i6300esb"}}, {}},
  };
}

class ProbeGuestHotplug : public ::testing::Test {
 protected:
  void SetUp() override {
    if (std::string why = WhyNoKvm(); !why.empty()) GTEST_SKIP() << why;
    if (VmmIsQemu()) GTEST_SKIP() << "davit's own: QEMU's boards are booted by firmware";
    VmOptions options;
    options.args = {"-machine",
                    "q35",
                    "-nodefaults",
                    "-display",
                    "none",
                    "-m",
                    "128",
                    "-object",
                    "rng-builtin,id=r0",
                    "-object",
                    "iothread,id=io0",
                    "-netdev",
                    "user,id=n0",
                    "-chardev",
                    "ringbuf,id=c0"};
    for (unsigned i = 0; i < kPorts; ++i) {
      const std::string n = std::to_string(i + 1);
      options.args.insert(options.args.end(), {"-device", "pcie-root-port,id=port" + n +
                                                              ",chassis=" + n + ",addr=" + n});
    }
    for (const char* node : {"d0", "d1", "d2"}) {
      const std::string file = dir_.File(node);
      std::ofstream(file).close();
      std::filesystem::resize_file(file, 1 << 20);
      options.args.insert(options.args.end(), {"-blockdev", std::string("driver=file,node-name=") +
                                                                node + ",filename=" + file});
    }
    auto vm = Vm::Start(std::move(options));
    ASSERT_OK(vm);
    vm_ = std::move(*vm);
    ASSERT_OK(vm_->serial().WaitFor("ready, h for help", kReplyTime));
  }

  std::string Try(std::string_view command, Object arguments = {}) {
    auto reply = vm_->qmp().Execute(command, std::move(arguments));
    return reply ? "" : reply.error().message;
  }
  void Do(std::string_view command, Object arguments = {}) {
    EXPECT_EQ(Try(command, std::move(arguments)), "") << command;
  }
  void AwaitDeleted(const std::string& id) {
    for (;;) {
      auto event = vm_->qmp().WaitEvent("DEVICE_DELETED", kReplyTime);
      ASSERT_TRUE(event) << id << ": " << event.error().message << StateOf(*vm_);
      if (event->data["device"] == json::Value(id)) return;
    }
  }
  void AwaitOn(unsigned port) {
    const std::string line = "hotplug: 0:" + std::to_string(port) + ".0 on";
    ASSERT_TRUE(vm_->serial().WaitFor(line, kReplyTime)) << line << StateOf(*vm_);
  }

  // A command of the probe guest, and the line that ends it well.
  void Use(const char* command, const char* answer) {
    ASSERT_OK(vm_->serial().Send(command));
    ASSERT_TRUE(vm_->serial().WaitFor(answer, kReplyTime)) << answer << StateOf(*vm_);
  }

  Object Arguments(const Card& card, unsigned port) {
    Object arguments = card.arguments;
    arguments.Set("id", card.id);
    arguments.Set("bus", "port" + std::to_string(port));
    return arguments;
  }
  static std::string ChildId(const Card& card) { return std::string(card.id) + ".child"; }
  void AddChild(const Card& card) {
    Object child = card.child;
    child.Set("id", ChildId(card));
    child.Set("bus", std::string(card.id) + ".0");
    Do("device_add", child);
  }
  // Its back end is free as soon as it is gone.
  void ReplaceChild(const Card& card) {
    Do("device_del", Object{{"id", ChildId(card)}});
    ASSERT_NO_FATAL_FAILURE(AwaitDeleted(ChildId(card)));
    AddChild(card);
  }
  // stopped: the guest does not see it before it goes on.
  void Add(const Card& card, unsigned port, bool stopped = false) {
    if (stopped) Do("stop");
    Do("device_add", Arguments(card, port));
    if (card.child.size() != 0) AddChild(card);
    if (stopped) Do("cont");
    AwaitOn(port);
  }
  void Remove(const Card& card, bool stopped = false) {
    if (stopped) Do("stop");
    Do("device_del", Object{{"id", card.id}});
    if (stopped) {
      EXPECT_EQ(Try("device_del", Object{{"id", card.id}}),
                "Device " + std::string(card.id) + " is already in the process of unplug");
      Do("cont");
    }
    AwaitDeleted(card.id);
  }
  // A guest that is dead: what it was asked for goes with the reset.
  void RemoveByReset(const Card& card) {
    Do("stop");
    Do("device_del", Object{{"id", card.id}});
    Do("system_reset");
    AwaitDeleted(card.id);
    Do("cont");
    ASSERT_OK(vm_->serial().WaitFor("ready, h for help", kReplyTime));
  }

  // What the process holds: descriptors by what they are, threads by name.
  std::map<std::string, int> Holdings() {
    std::map<std::string, int> counts;
    const std::string proc = "/proc/" + std::to_string(vm_->process().pid());
    std::error_code error;
    for (const auto& fd : std::filesystem::directory_iterator(proc + "/fd", error)) {
      std::string name = std::filesystem::read_symlink(fd, error).string();
      if (const size_t at = name.find(":["); name.starts_with("socket")) name.erase(at);
      ++counts["fd " + name];
    }
    for (const auto& task : std::filesystem::directory_iterator(proc + "/task", error)) {
      std::string name;
      std::getline(std::ifstream(task.path() / "comm"), name);
      ++counts["thread " + name];
    }
    return counts;
  }
  void ExpectHoldings(const std::map<std::string, int>& wanted) {
    // Threads end, and descriptors close, when those of I/O threads have come round.
    if (Eventually([&] { return Holdings() == wanted; })) return;
    EXPECT_EQ(Holdings(), wanted);
  }

  TempDir dir_;
  std::unique_ptr<Vm> vm_;
};

TEST_F(ProbeGuestHotplug, AGuestThatServesASlotUsesWhatComes) {
  const std::vector<Card> cards = Cards();
  ASSERT_NO_FATAL_FAILURE(Add(cards[1], 1));
  ASSERT_NO_FATAL_FAILURE(Use("d", "block: disk 1 ok"));
  ASSERT_NO_FATAL_FAILURE(Add(cards[0], 2));
  ASSERT_NO_FATAL_FAILURE(Use("g", "rng: ok"));
  EXPECT_EQ(Try("blockdev-del", Object{{"node-name", "d0"}}), "Node d0 is in use");
  ASSERT_NO_FATAL_FAILURE(Remove(cards[1]));
  ASSERT_NO_FATAL_FAILURE(Use("d", "block: 0 disks"));
  Do("blockdev-del", Object{{"node-name", "d0"}});
}

TEST_F(ProbeGuestHotplug, RandomOperationsLeaveNothingBehind) {
  const std::vector<Card> cards = Cards();
  // Once each, for what is made at first use.
  for (const Card& card : cards) {
    ASSERT_NO_FATAL_FAILURE(Add(card, 1)) << card.id;
    ASSERT_NO_FATAL_FAILURE(Remove(card)) << card.id;
  }
  const std::map<std::string, int> before = Holdings();
  const char* const wanted = std::getenv("DAVIT_HOTPLUG_OPERATIONS");
  const int operations = wanted != nullptr ? std::atoi(wanted) : kOperations;
  std::mt19937 random(4);
  const auto one_in = [&](unsigned n) { return random() % n == 0; };
  std::map<const Card*, unsigned> plugged;  // its port
  for (int i = 0; i < operations; ++i) {
    const Card& card = cards[random() % cards.size()];
    if (plugged.contains(&card)) {
      EXPECT_EQ(Try("device_add", Arguments(card, 1 + i % kPorts)),
                "Duplicate device ID '" + std::string(card.id) + "'");
      if (card.child.size() != 0 && one_in(2)) {
        ASSERT_NO_FATAL_FAILURE(ReplaceChild(card)) << card.id << " operation " << i;
        continue;
      }
      if (one_in(16)) {
        ASSERT_NO_FATAL_FAILURE(RemoveByReset(card)) << card.id << " operation " << i;
      } else {
        ASSERT_NO_FATAL_FAILURE(Remove(card, one_in(4))) << card.id << " operation " << i;
      }
      plugged.erase(&card);
      continue;
    }
    unsigned port = 1;
    const auto taken = [&] {
      return std::any_of(plugged.begin(), plugged.end(),
                         [&](const auto& entry) { return entry.second == port; });
    };
    while (taken()) ++port;
    if (port > kPorts) {
      EXPECT_NE(Try("device_add", Arguments(card, 1 + i % kPorts)), "") << card.id;
      continue;
    }
    ASSERT_NO_FATAL_FAILURE(Add(card, port, one_in(4))) << card.id << " operation " << i;
    plugged[&card] = port;
  }
  for (const auto& [card, port] : plugged) ASSERT_NO_FATAL_FAILURE(Remove(*card)) << card->id;
  ExpectHoldings(before);
  for (const char* node : {"d0", "d1", "d2"}) Do("blockdev-del", Object{{"node-name", node}});
  Do("netdev_del", Object{{"id", "n0"}});
  Do("chardev-remove", Object{{"id", "c0"}});
  for (const char* object : {"io0", "r0"}) Do("object-del", Object{{"id", object}});
}

}  // namespace
}  // namespace davit::testing
