// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See device_table.h.
#include "tests/bench/device_table.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>
#include <vector>

#include "tests/bench/device_load.h"
#include "tests/bench/hotplug_table.h"
#include "tests/bench/tap_peer.h"
#include "tests/support/vm.h"
#include "vmm/base/unique_fd.h"

namespace davit::bench {
namespace {

constexpr int kRounds = 15;
constexpr int kNetRounds = 15;
constexpr int kBalloonRounds = 5;
constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kRamMiB = 1024;
constexpr const char* kNames[] = {"davitd", "QEMU"};
constexpr const char* kModules =
    "virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk "
    "virtio_balloon failover net_failover virtio_net";

using Pair = std::array<std::unique_ptr<LoadedVm>, 2>;  // davitd, QEMU

struct DiskRow {
  const char* name;
  const char* load;  // of the guest's "disk" command, without the path
  bool latency;      // the row is microseconds a request; else MiB or requests a second
  double unit;       // requests per figure's unit: ops/s / unit
  const char* unit_name;
  double bar;
};

constexpr DiskRow kDiskRows[] = {
    {"4 KiB random read, depth 1", "read rand 4096 1 100", true, 1, "us", 0.9},
    {"4 KiB random write, depth 1", "write rand 4096 1 100", true, 1, "us", 0.9},
    {"4 KiB random read, depth 32", "read rand 4096 32 100", false, 1, "1/s", 1},
    {"4 KiB random write, depth 32", "write rand 4096 32 100", false, 1, "1/s", 1},
    {"128 KiB sequential read, depth 8", "read seq 131072 8 100", false, 8, "MiB/s", 1},
    {"128 KiB sequential write, depth 8", "write seq 131072 8 100", false, 8, "MiB/s", 1},
};

struct NetRow {
  const char* name;
  const char* load;  // of the guest: its command, then address, port and number
  TapPeer::Port port;
  int number;
  const char* key;  // of the answer
  const char* unit;
  bool latency;  // microseconds each; else MiB a second
};

constexpr int kStreamMs = 300;
constexpr NetRow kNetRows[] = {
    {"tap TCP, guest to host", "send", TapPeer::kSink, kStreamMs, "bytes", "MiB/s", false},
    {"tap TCP, host to guest", "receive", TapPeer::kSource, 0, "bytes", "MiB/s", false},
    {"tap TCP round trip", "trips", TapPeer::kEcho, 50, "trips", "us", true},
};
constexpr const char* kTaps[] = {"benchtap0", "benchtap1"};

std::string HostAddress(size_t i) { return "10.77." + std::to_string(i) + ".1"; }
std::string GuestAddress(size_t i) { return "10.77." + std::to_string(i) + ".2"; }

double Median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

// Of the rounds' ratios: the two of a round are neighbours in time, so that other work on the host
// hits both alike.
double MedianRatio(const Values& values) {
  std::vector<double> ratios;
  for (size_t i = 0; i < values[0].size(); ++i) ratios.push_back(values[0][i] / values[1][i]);
  return Median(std::move(ratios));
}

// A row of two columns; bar: on the ratio. True: met.
bool Print(const std::string& name, const char* unit, const Values& values, bool more_is_better,
           double bar) {
  const double ratio = MedianRatio(values);
  const bool met = more_is_better ? ratio >= bar : ratio <= bar;
  char text[32];
  std::snprintf(text, sizeof text, "%s %.3gx", more_is_better ? ">=" : "<=", bar);
  std::printf("| %s (%s) | %.4g | %.4g | %.2fx | %s | %s |\n", name.c_str(), unit,
              Median(values[0]), Median(values[1]), ratio, text, met ? "yes" : "NO");
  std::fflush(stdout);
  return met;
}

// $DAVIT_BENCH_ROWS: only rows whose name holds it.
bool Wanted(const std::string& name) {
  const char* rows = std::getenv("DAVIT_BENCH_ROWS");
  return rows == nullptr || name.find(rows) != std::string::npos;
}

// Tells of it; false.
bool Failed(const std::string& what, const Error& error) {
  std::fprintf(stderr, "bench: %s: %s\n", what.c_str(), error.message.c_str());
  return false;
}

// $DAVIT_BENCH_COUNTERS: the counters by request (by MiB for a stream), the mean of the rounds, for
// who looks for a cause.
void PrintCounters(const std::array<KvmCounters, 2>& sums, int rounds) {
  for (size_t i = 0; i < sums.size(); ++i) {
    std::printf("%s:", kNames[i]);
    for (const auto& [name, sum] : sums[i]) {
      if (sum / rounds >= 0.005) std::printf(" %s %.2f", name.c_str(), sum / rounds);
    }
    std::printf("\n");
  }
}

bool RunDiskRow(const DiskRow& row, const Pair& vms) {
  Values values, exits;
  std::array<KvmCounters, 2> sums;
  for (int round = 0; round < kRounds; ++round) {
    for (size_t i = 0; i < vms.size(); ++i) {
      auto figure = vms[i]->Load(std::string("disk /dev/vda ") + row.load, "ops");
      if (!figure) return Failed(std::string(row.name) + ", " + kNames[i], figure.error());
      const double rate = figure->ops / figure->seconds;
      values[i].push_back(row.latency ? 1e6 / rate : rate / row.unit);
      for (const auto& [name, grown] : figure->counters) sums[i][name] += grown / figure->ops;
      if (const auto it = figure->counters.find("exits"); it != figure->counters.end()) {
        exits[i].push_back(it->second / figure->ops);
      }
    }
  }
  const bool met = Print(row.name, row.unit_name, values, !row.latency, row.bar);
  if (std::getenv("DAVIT_BENCH_COUNTERS") != nullptr) PrintCounters(sums, kRounds);
  if (exits[0].size() != exits[1].size() || exits[0].empty()) return met;
  return Print(std::string(row.name) + ": exits", "a request", exits, false, 1) && met;
}

bool RunBalloon(const Pair& vms) {
  const char* text = std::getenv("DAVIT_BENCH_BALLOON_MIB");
  const uint64_t mib = text == nullptr ? 512 : std::strtoull(text, nullptr, 10);
  Values inflate, deflate;
  for (int round = 0; round < kBalloonRounds; ++round) {
    for (size_t i = 0; i < vms.size(); ++i) {
      for (const bool down : {true, false}) {
        auto ms = vms[i]->Balloon((down ? kRamMiB - mib : kRamMiB) * kMiB);
        if (!ms) return Failed(std::string("balloon of ") + kNames[i], ms.error());
        (down ? inflate : deflate)[i].push_back(*ms);
      }
    }
  }
  const std::string size = std::to_string(mib) + " MiB";
  const bool met = Print("balloon inflates " + size, "ms", inflate, false, 1);
  return Print("balloon deflates " + size, "ms", deflate, false, 1) && met;
}

// Both ways, of an interface.
double Frames(const std::string& interface) {
  const std::string directory = "/sys/class/net/" + interface + "/statistics/";
  return std::strtod(testing::ReadFile(directory + "rx_packets").c_str(), nullptr) +
         std::strtod(testing::ReadFile(directory + "tx_packets").c_str(), nullptr);
}

bool RunNetwork(const Pair& vms) {
  std::array<std::unique_ptr<TapPeer>, 2> peers;
  for (size_t i = 0; i < vms.size(); ++i) {
    auto peer = TapPeer::Create(kTaps[i], HostAddress(i), kStreamMs);
    if (!peer) return Failed("the tap interface", peer.error());
    peers[i] = std::move(*peer);
    auto up = vms[i]->Ask("net " + GuestAddress(i));
    if (!up) return Failed("the guest's network", up.error());
  }
  bool all = true;
  for (const NetRow& row : kNetRows) {
    if (!Wanted(row.name)) continue;
    Values values;
    std::array<KvmCounters, 2> sums;
    for (int round = 0; round < kNetRounds; ++round) {
      for (size_t i = 0; i < vms.size(); ++i) {
        const std::string load = std::string(row.load) + " " + HostAddress(i) + " " +
                                 std::to_string(row.port) + " " + std::to_string(row.number);
        const double before = Frames(kTaps[i]);
        auto figure = vms[i]->Load(load, row.key);
        if (!figure) return Failed(std::string(row.name) + ", " + kNames[i], figure.error());
        figure->counters["frames"] = Frames(kTaps[i]) - before;
        const double units = row.latency ? figure->ops : figure->ops / kMiB;
        for (const auto& [name, grown] : figure->counters) sums[i][name] += grown / units;
        values[i].push_back(row.latency ? figure->seconds / figure->ops * 1e6
                                        : figure->ops / figure->seconds / kMiB);
      }
    }
    all = Print(row.name, row.unit, values, !row.latency, 1) && all;
    if (std::getenv("DAVIT_BENCH_COUNTERS") != nullptr) PrintCounters(sums, kNetRounds);
  }
  return all;
}

bool AnyLoadWanted() {
  const auto wanted = [](const auto& row) { return Wanted(row.name); };
  return Wanted("balloon") || Wanted("tap") || std::ranges::any_of(kDiskRows, wanted) ||
         std::ranges::any_of(kNetRows, wanted);
}

// romfile=: QEMU's option ROM is not in the lab.
std::vector<std::string> Arguments(const std::string& program, const std::string& dir,
                                   const std::string& disk, const std::string& tap) {
  const char* poll_ns = std::getenv("DAVIT_BENCH_POLL_NS");
  struct stat info {};
  const bool direct = UniqueFd(open(disk.c_str(), O_RDWR | O_DIRECT | O_CLOEXEC)).get() >= 0;
  const bool device = stat(disk.c_str(), &info) == 0 && S_ISBLK(info.st_mode);
  const std::string node = std::string("driver=") + (device ? "host_device" : "file") +
                           ",filename=" + disk +
                           ",node-name=disk,aio=io_uring,cache.direct=" + (direct ? "on" : "off");
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
          "-m",
          std::to_string(kRamMiB),
          "-kernel",
          dir + "/vmlinuz",
          "-initrd",
          dir + "/device-initramfs",
          "-append",
          "console=ttyS0 quiet panic=-1",
          "-object",
          std::string("iothread,id=io,poll-max-ns=") + (poll_ns == nullptr ? "32768" : poll_ns),
          "-blockdev",
          node,
          "-device",
          "virtio-blk-pci,drive=disk,iothread=io",
          "-device",
          "virtio-balloon-pci,id=balloon",
          "-netdev",
          "tap,id=net,ifname=" + tap + ",script=no,downscript=no",
          "-device",
          "virtio-net-pci,netdev=net,romfile="};
}

}  // namespace

int RunDevices(const std::string& dir, const std::string& davit_disk,
               const std::string& qemu_disk) {
  const char* qemu = std::getenv("DAVIT_QEMU");
  const std::string programs[] = {testing::DavitdPath(),
                                  qemu == nullptr ? "qemu-system-x86_64" : qemu};
  const std::string disks[] = {davit_disk, qemu_disk};
  std::printf("| | davitd q35 | QEMU q35 | davitd / QEMU | bar | met |\n");
  std::printf("|---|---|---|---|---|---|\n");
  bool all =
      RunHotplug({.programs = {programs[0], programs[1]},
                  .dir = dir,
                  .wanted = Wanted,
                  .print = [](const std::string& name,
                              const Values& values) { return Print(name, "ms", values, false, 1); },
                  .failed = Failed});
  if (!AnyLoadWanted()) return all ? 0 : 1;
  Pair vms;
  for (size_t i = 0; i < vms.size(); ++i) {
    auto vm = LoadedVm::Start(Arguments(programs[i], dir, disks[i], kTaps[i]), kModules);
    if (!vm) {
      Failed(programs[i], vm.error());
      return 1;
    }
    vms[i] = std::move(*vm);
  }
  for (const DiskRow& row : kDiskRows) {
    if (Wanted(row.name)) all = RunDiskRow(row, vms) && all;
  }
  if (Wanted("balloon")) all = RunBalloon(vms) && all;
  if (Wanted("tap")) all = RunNetwork(vms) && all;
  return all ? 0 : 1;
}

}  // namespace davit::bench
