// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What each property of a virtio device changes for its driver: the features that are offered, the
// configuration space, the queues and the vectors. A machine has one device for each row, beside
// one that nothing was said about. Runs on QEMU, too.
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <ostream>

#include "tests/support/virtio/transports.h"
#include "tests/support/virtio/virtio.h"

namespace davit::qtest {
namespace {

constexpr uint64_t Bit(unsigned n) { return uint64_t{1} << n; }

constexpr uint64_t kNone = 0xffffffff;  // four bytes behind the end of a configuration space

struct Field {
  uint32_t offset;
  unsigned size;
  uint64_t value;
};

// Where nothing is said, a row's device is as the one without properties.
struct Row {
  const char* properties;
  uint64_t toggled = 0;            // features: offered where they were not, or the other way
  std::vector<Field> config = {};  // of those that the plain device is read for
  int queues = -1;
  int queue_size = -1;  // of queue 0
  int vectors = -1;
};

// What a driver sees of a device before it starts it.
struct Seen {
  uint64_t features = 0;
  std::vector<uint64_t> config;
  int queues = 0, queue_size = 0, vectors = 0;
  friend bool operator==(const Seen&, const Seen&) = default;
};

std::ostream& operator<<(std::ostream& out, const Seen& seen) {
  out << std::hex << "features " << seen.features << std::dec << ", configuration";
  for (uint64_t value : seen.config) out << ' ' << value;
  return out << ", queues " << seen.queues << " of " << seen.queue_size << ", vectors "
             << seen.vectors;
}

Seen Look(Machine& m, Bdf bdf, const std::vector<Field>& fields) {
  VirtioPci device(m, bdf, true);
  Seen seen;
  seen.features = device.OfferedFeatures();
  for (const Field& field : fields) {
    seen.config.push_back(device.ReadConfig(field.offset, field.size));
  }
  while (seen.queues < 1024 && device.QueueMax(static_cast<uint16_t>(seen.queues)) != 0) {
    ++seen.queues;
  }
  seen.queue_size = device.QueueMax(0);
  seen.vectors = static_cast<int>(device.function().vectors());
  return seen;
}

std::string Fill(std::string text, size_t number) {
  for (size_t at; (at = text.find('*')) != std::string::npos;) {
    text.replace(at, 1, std::to_string(number));
  }
  return text;
}

enum class Machines { kOne, kEach };  // for all rows; for each its own

// The devices of all rows, the plain one first. `options` come before each device; a '*' in them
// and in the rows is the row's number.
std::vector<Seen> LookAtAll(Machines machines, const std::string& driver, uint16_t id,
                            const std::vector<std::string>& options, const std::vector<Row>& rows,
                            const std::vector<Field>& fields) {
  const std::vector<std::string> board = {"-M", "q35"};
  std::vector<std::string> args = board;
  std::vector<Seen> seen;
  const auto look = [&] {
    Machine m(args);
    for (const Bdf place : PciFunctionsOf(m, id)) seen.push_back(Look(m, place, fields));
    args = board;
  };
  for (size_t i = 0; i <= rows.size(); ++i) {
    for (const std::string& option : options) args.push_back(Fill(option, i));
    const std::string properties = i == 0 ? "" : rows[i - 1].properties;
    args.insert(args.end(),
                {"-device", Fill(driver + properties, i) + ",addr=" + Fill("*", i + 1)});
    if (machines == Machines::kEach) look();
  }
  if (machines == Machines::kOne) look();
  return seen;
}

void ExpectRows(Machines machines, const std::string& driver, uint16_t id,
                const std::vector<std::string>& options, const std::vector<Row>& rows) {
  std::vector<Field> fields;
  for (const Row& row : rows) fields.insert(fields.end(), row.config.begin(), row.config.end());
  const std::vector<Seen> seen = LookAtAll(machines, driver, id, options, rows, fields);
  ASSERT_EQ(seen.size(), rows.size() + 1);
  size_t field = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    const Row& row = rows[i];
    Seen expected = seen[0];
    expected.features ^= row.toggled;
    expected.config = seen[i + 1].config;  // of the other rows' fields nothing is said
    for (const Field& changed : row.config) expected.config[field++] = changed.value;
    if (row.queues >= 0) expected.queues = row.queues;
    if (row.queue_size >= 0) expected.queue_size = row.queue_size;
    if (row.vectors >= 0) expected.vectors = row.vectors;
    EXPECT_EQ(seen[i + 1], expected) << row.properties;
  }
}

TEST(VirtioProperties, OfRingsAndInterrupts) {
  ExpectRows(Machines::kOne, "virtio-rng-pci", virtio::kIdRng, {},
             {{",indirect_desc=off", Bit(28)},
              {",event_idx=off", Bit(29)},
              {",packed=on", Bit(34)},
              {",queue_reset=off", Bit(40)},
              {",vectors=5", 0, {}, -1, -1, 5},
              {",vectors=0", 0, {}, -1, -1, 0}});
}

TEST(VirtioProperties, OfTheBalloon) {
  ExpectRows(Machines::kEach, "virtio-balloon-pci", virtio::kIdBalloon,
             {"-object", "iothread,id=io*"},
             {{",deflate-on-oom=on", Bit(2)},
              {",free-page-hint=on,iothread=io*", Bit(3), {}, 4},
              {",page-poison=off", Bit(4)},
              {",free-page-reporting=on", Bit(5), {}, 4}});
}

// virtio 1.2, 5.2.4.
TEST(VirtioProperties, OfTheDisk) {
  constexpr uint32_t kSegMax = 12, kBlkSize = 20, kPhysicalExp = 24, kMinIo = 26, kOptIo = 28,
                     kWriteback = 32, kNumQueues = 34, kMaxDiscard = 36, kDiscardAlignment = 44,
                     kMaxWriteZeroes = 48;
  ExpectRows(
      Machines::kOne, "virtio-blk-pci,drive=n*", virtio::kIdBlock,
      {"-blockdev", "null-co,node-name=n*"},
      {{",config-wce=off", Bit(11)},
       {",write-cache=off", 0, {{kWriteback, 1, 0}}},
       {",write-cache=off,config-wce=off", Bit(9) | Bit(11), {{kWriteback, 1, 0}}},
       {",discard=off", Bit(13), {{kMaxDiscard, 4, 0}}},
       {",write-zeroes=off", Bit(14), {{kMaxWriteZeroes, 4, kNone}}},
       {",discard=off,write-zeroes=off", Bit(13) | Bit(14), {{kMaxDiscard, 4, kNone}}},
       {",num-queues=3", Bit(12), {{kNumQueues, 2, 3}}, 3, -1, 4},
       {",queue-size=64", 0, {{kSegMax, 4, 62}}, -1, 64},
       {",queue-size=64,seg-max-adjust=off", 0, {{kSegMax, 4, 126}}, -1, 64},
       {",max-discard-sectors=99", 0, {{kMaxDiscard, 4, 99}}},
       {",max-write-zeroes-sectors=77", 0, {{kMaxWriteZeroes, 4, 77}}},
       {",discard_granularity=8192", 0, {{kDiscardAlignment, 4, 16}}},
       {",discard_granularity=8192,report-discard-granularity=off", 0, {{kDiscardAlignment, 4, 1}}},
       {",logical_block_size=4096,physical_block_size=4096", 0, {{kBlkSize, 4, 4096}}},
       {",physical_block_size=4096", 0, {{kPhysicalExp, 1, 3}}},
       {",min_io_size=4096", 0, {{kMinIo, 2, 8}}},
       {",opt_io_size=65536", 0, {{kOptIo, 4, 128}}}});
}

// virtio 1.2, 5.6.4.
TEST(VirtioProperties, OfTheScsiHost) {
  constexpr uint32_t kNumQueues = 0, kSegMax = 4, kMaxSectors = 8, kCmdPerLun = 12;
  ExpectRows(Machines::kOne, "virtio-scsi-pci", virtio::kIdScsi, {},
             {{",num_queues=3", 0, {{kNumQueues, 4, 3}}, 5, -1, 6},
              {",virtqueue_size=64", 0, {{kSegMax, 4, 62}}, -1, 64},
              {",virtqueue_size=64,seg_max_adjust=off", 0, {{kSegMax, 4, 126}}, -1, 64},
              {",max_sectors=1234", 0, {{kMaxSectors, 4, 1234}}},
              {",cmd_per_lun=7", 0, {{kCmdPerLun, 4, 7}}}});
}

// virtio 1.2, 5.3.4.
TEST(VirtioProperties, OfTheSerialDevice) {
  ExpectRows(Machines::kOne, "virtio-serial-pci", virtio::kIdConsole, {},
             {{",max_ports=5", 0, {{4, 4, 5}}, 12},
              {",max_ports=1", Bit(1), {{4, 4, 1}}, 4},
              {",emergency-write=off", Bit(2)}});
}

// virtio 1.2, 5.1.4.
TEST(VirtioProperties, OfTheNetworkCard) {
  constexpr uint32_t kMac = 0, kStatus = 6, kMtu = 10, kSpeed = 12, kDuplex = 16;
  ExpectRows(Machines::kOne, "virtio-net-pci", virtio::kIdNet, {},
             {{",ctrl_guest_offloads=off", Bit(2)},
              {",host_mtu=1400", Bit(3), {{kMtu, 2, 1400}}},
              {",mac=52:54:00:ab:cd:ef", 0, {{kMac, 4, 0xab005452}, {kMac + 4, 2, 0xefcd}}},
              {",mrg_rxbuf=off", Bit(15)},
              {",status=off", Bit(16), {{kStatus, 2, 0xffff}}},
              {",ctrl_vq=off", Bit(17)},
              {",ctrl_rx=off", Bit(18)},
              {",ctrl_vlan=off", Bit(19)},
              {",ctrl_rx_extra=off", Bit(20)},
              {",guest_announce=off", Bit(21)},
              {",mq=on", Bit(22)},
              {",ctrl_mac_addr=off", Bit(23)},
              {",speed=1000", Bit(63), {{kSpeed, 4, 1000}}},
              {",duplex=full", Bit(63), {{kDuplex, 1, 1}}},
              {",rx_queue_size=512", 0, {}, -1, 512}});
}

// The offloads are there where the back end takes headers.
TEST(VirtioProperties, OfACardOnATap) {
  if (geteuid() != 0 || unshare(CLONE_NEWNET) != 0 || access("/dev/net/tun", R_OK | W_OK) != 0) {
    GTEST_SKIP() << "needs root and /dev/net/tun";
  }
  ExpectRows(Machines::kOne, "virtio-net-pci,netdev=t*", virtio::kIdNet,
             {"-netdev", "tap,id=t*,script=no,downscript=no"},
             {{",csum=off", Bit(0)},
              {",guest_csum=off", Bit(1)},
              {",guest_tso4=off", Bit(7)},
              {",guest_tso6=off", Bit(8)},
              {",guest_ecn=off", Bit(9)},
              {",guest_ufo=off", Bit(10)},
              {",host_tso4=off", Bit(11)},
              {",host_tso6=off", Bit(12)},
              {",host_ecn=off", Bit(13)},
              {",host_ufo=off", Bit(14)}});
}

}  // namespace
}  // namespace davit::qtest
