// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0

#include "devices.h"

#include "boot_info.h"
#include "console.h"
#include "io.h"
#include "ports.h"
#include "virtio.h"
#include "virtio_mem.h"

namespace probe {
namespace {

constexpr uint32_t kBlockId = 2, kRngId = 4, kBalloonId = 5;
constexpr uint64_t kPage = 4096;

// --- balloon (virtio 1.2, 5.5)
// ----------------------------------------------------------------------

constexpr uint32_t kInflate = 0, kDeflate = 1;
constexpr uint32_t kNumPages = 0, kActual = 4;
constexpr uint64_t kKeep =
    16 << 20;  // the first bytes of RAM: this program, its tables, the initrd
constexpr uint64_t kReach = 3ULL << 30;
constexpr uint32_t kBatch = 256;

VirtioDevice* balloon;
uint32_t ballooned;  // pages, of those that BalloonPage() counts

// The n-th page that may go into the balloon, from the top of RAM below 3 GiB down; 0: no more.
uint32_t BalloonPage(uint32_t n) {
  for (uint32_t i = boot_info.ranges; i-- > 0;) {
    const MemoryRange& range = boot_info.range[i];
    if (range.type != 1 || range.start >= kReach) continue;
    uint64_t end = range.start + range.size;
    if (end > kReach) end = kReach;
    uint64_t start = range.start < kKeep ? kKeep : range.start;
    const uint64_t initrd_end = boot_info.initrd_start + boot_info.initrd_size;
    if (boot_info.initrd_size != 0 && initrd_end > start && boot_info.initrd_start < end) {
      end = boot_info.initrd_start;
    }
    if (boot_info.device_tree > start && boot_info.device_tree < end) end = boot_info.device_tree;
    if (end <= start) continue;
    const uint64_t pages = end / kPage - (start + kPage - 1) / kPage;
    if (n < pages) return uint32_t(end / kPage - 1 - n);
    n -= uint32_t(pages);
  }
  return 0;
}

// Moves up to a batch of pages towards the target. False: there is nothing to move.
bool MoveBalloon() {
  static uint32_t pages[kBatch];
  const uint32_t target = VirtioConfig32(*balloon, kNumPages);
  if (target == ballooned) return false;
  const bool inflate = target > ballooned;
  uint32_t count = 0;
  const uint32_t wanted = inflate ? target - ballooned : ballooned - target;
  while (count < kBatch && count < wanted) {
    const uint32_t n = inflate ? ballooned + count : ballooned - 1 - count;
    const uint32_t page = BalloonPage(n);
    if (page == 0) break;
    pages[count++] = page;
  }
  if (count == 0) return false;
  const VirtioBuffer buffer{pages, uint32_t(count * sizeof(uint32_t)), false};
  uint32_t length = 0;
  if (!DoVirtio(*balloon, inflate ? kInflate : kDeflate, &buffer, 1, length)) {
    Print("balloon: the device does not answer\n");
    balloon = nullptr;
    return false;
  }
  ballooned = inflate ? ballooned + count : ballooned - count;
  return true;
}

void FollowTarget() {
  if (balloon == nullptr || !MoveBalloon()) return;
  while (balloon != nullptr && MoveBalloon()) {
  }
  if (balloon == nullptr) return;
  SetVirtioConfig32(*balloon, kActual, ballooned);
  PrintBalloon();
}

// --- its statistics (5.5.6.3)
// ----------------------------------------------------------------------

constexpr uint64_t kStatisticsQueue = 1 << 1;  // the feature
constexpr uint32_t kStatistics = 2;
constexpr uint16_t kSwapIn = 0, kSwapOut = 1, kMajorFaults = 2, kMinorFaults = 3, kFree = 4,
                   kTotal = 5, kAvailable = 6, kCaches = 7;

struct [[gnu::packed]] Statistic {
  uint16_t tag;
  uint64_t value;
};

bool has_statistics;

uint64_t TotalBytes() {
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < boot_info.ranges; ++i) {
    if (boot_info.range[i].type == 1) bytes += boot_info.range[i].size;
  }
  return bytes - ballooned * kPage;
}

uint64_t FreeBytes() { return TotalBytes() < kKeep ? 0 : TotalBytes() - kKeep; }

// There are no faults, swaps or caches here.
void SendStatistics() {
  static Statistic statistics[8];
  statistics[0] = {kSwapIn, 0};
  statistics[1] = {kSwapOut, 0};
  statistics[2] = {kMajorFaults, 0};
  statistics[3] = {kMinorFaults, 0};
  statistics[4] = {kFree, FreeBytes()};
  statistics[5] = {kTotal, TotalBytes()};
  statistics[6] = {kAvailable, FreeBytes()};
  statistics[7] = {kCaches, 0};
  const VirtioBuffer buffer{statistics, sizeof statistics, false};
  SendVirtio(*balloon, kStatistics, &buffer, 1);
}

// The device gives the buffer back when it wants new ones.
void RenewStatistics() {
  uint32_t length = 0;
  if (balloon == nullptr || !has_statistics || !TakeVirtio(*balloon, kStatistics, length)) return;
  SendStatistics();
  Print("balloon: statistics, total %u free %u\n", TotalBytes(), FreeBytes());
}

void StartBalloon() {
  balloon = FindVirtioDevice(kBalloonId);
  ballooned = 0;
  if (balloon == nullptr) return;
  has_statistics = (VirtioFeatures(*balloon) & kStatisticsQueue) != 0;
  if (!StartVirtio(*balloon, kStatisticsQueue, has_statistics ? 3 : 2)) {
    Print("balloon: the device refused\n");
    balloon = nullptr;
    return;
  }
  if (has_statistics) SendStatistics();
}

}  // namespace

void StartDevices() {
  FindVirtio();
  StartBalloon();
  StartPorts();
  StartMem();
}

void ServeDevices() {
  FollowTarget();
  RenewStatistics();
  ServePorts();
  ServeMem();
}

void PrintDevices() {
  for (uint32_t i = 0; i < virtio_devices; ++i) {
    const VirtioDevice& device = virtio_device[i];
    if (device.pci) {
      Print("virtio: device id %u on pci %x:%x.%x\n", uint64_t{device.id},
            uint64_t{device.address.bus}, uint64_t{device.address.device},
            uint64_t{device.address.function});
    } else {
      Print("virtio: device id %u at %x\n", uint64_t{device.id}, device.base);
    }
  }
  Print("virtio: %u devices\n", uint64_t{virtio_devices});
}

void PrintBalloon() {
  if (balloon == nullptr) {
    Print("balloon: none\n");
    return;
  }
  Print("balloon: %u pages of %u\n", uint64_t{ballooned},
        uint64_t{VirtioConfig32(*balloon, kNumPages)});
}

// --- block (5.2)
// ------------------------------------------------------------------------------------

namespace {

constexpr uint32_t kSector = 512;
constexpr uint32_t kTestSectors = 8;
constexpr uint32_t kRead = 0, kWrite = 1, kFlush = 4;

struct BlockHeader {
  uint32_t type;
  uint32_t reserved;
  uint64_t sector;
};

uint8_t block_data[kTestSectors * kSector];

// The status byte of the request; 255: it did not come back.
uint8_t BlockRequest(VirtioDevice& device, uint32_t type, uint64_t sector, uint32_t bytes) {
  static BlockHeader header;
  static volatile uint8_t status;
  header = {type, 0, sector};
  status = 255;
  VirtioBuffer buffers[3];
  uint32_t count = 0;
  buffers[count++] = {&header, sizeof header, false};
  if (bytes != 0) buffers[count++] = {block_data, bytes, type == kRead};
  buffers[count++] = {&status, 1, true};
  uint32_t length = 0;
  return DoVirtio(device, 0, buffers, count, length) ? status : uint8_t{255};
}

uint8_t BlockPattern(uint64_t sector, uint32_t i) { return uint8_t(sector * 37 + i * 11 + 5); }

bool WriteAndReadBack(VirtioDevice& device, uint64_t first) {
  for (uint32_t i = 0; i < sizeof block_data; ++i) {
    block_data[i] = BlockPattern(first + i / kSector, i % kSector);
  }
  if (uint8_t status = BlockRequest(device, kWrite, first, sizeof block_data); status != 0) {
    Print("block: write at %u failed with %u\n", first, uint64_t{status});
    return false;
  }
  __builtin_memset(block_data, 0, sizeof block_data);
  if (uint8_t status = BlockRequest(device, kRead, first, sizeof block_data); status != 0) {
    Print("block: read at %u failed with %u\n", first, uint64_t{status});
    return false;
  }
  for (uint32_t i = 0; i < sizeof block_data; ++i) {
    if (block_data[i] == BlockPattern(first + i / kSector, i % kSector)) continue;
    Print("block: sector %u reads back wrong\n", first + i / kSector);
    return false;
  }
  return true;
}

}  // namespace

void TestBlock() {
  uint32_t disks = 0;
  for (uint32_t i = 0; i < virtio_devices; ++i) {
    VirtioDevice& device = virtio_device[i];
    if (device.id != kBlockId) continue;
    ++disks;
    if (!device.working && !StartVirtio(device, uint64_t{1} << 9, 1)) {  // FLUSH
      Print("block: the device refused\n");
      continue;
    }
    const uint64_t sectors = uint64_t{VirtioConfig32(device, 4)} << 32 | VirtioConfig32(device, 0);
    Print("block: disk %u has %u sectors\n", uint64_t{disks}, sectors);
    if (sectors < kTestSectors) continue;
    const bool ok = WriteAndReadBack(device, 0) && WriteAndReadBack(device, sectors - kTestSectors);
    if (!ok) continue;
    const uint8_t beyond = BlockRequest(device, kRead, sectors, kSector);
    const uint8_t flushed = BlockRequest(device, kFlush, 0, 0);
    Print("block: beyond the end %u, flush %u\n", uint64_t{beyond}, uint64_t{flushed});
    Print("block: disk %u ok\n", uint64_t{disks});
  }
  Print("block: %u disks\n", uint64_t{disks});
}

// --- entropy (5.4)
// ----------------------------------------------------------------------------------

void TestRng() {
  VirtioDevice* const device = FindVirtioDevice(kRngId);
  if (device == nullptr) {
    Print("rng: none\n");
    return;
  }
  if (!device->working && !StartVirtio(*device, 0, 1)) {
    Print("rng: the device refused\n");
    return;
  }
  static uint8_t bytes[64];
  __builtin_memset(bytes, 0, sizeof bytes);
  const VirtioBuffer buffer{bytes, sizeof bytes, true};
  uint32_t length = 0;
  if (!DoVirtio(*device, 0, &buffer, 1, length)) {
    Print("rng: the device does not answer\n");
    return;
  }
  uint64_t distinct = 0;
  for (uint32_t i = 0; i < length && i < sizeof bytes; ++i) {
    bool first = true;
    for (uint32_t j = 0; j < i; ++j) first = first && bytes[j] != bytes[i];
    distinct += first ? 1 : 0;
  }
  Print("rng: %u bytes, %u distinct\n", uint64_t{length}, distinct);
  Print("rng: %s\n", length != 0 && distinct > length / 2 ? "ok" : "not random");
}

// --- pvpanic (QEMU's docs/specs/pvpanic)
// -----------------------------------------------------------

void Panic() {
  constexpr uint32_t kPvpanic = 0x00111b36;  // device and vendor
  constexpr uint8_t kPanicked = 1;
  static PciBus bus;
  (void)ScanPci(bus);
  for (uint32_t i = 0; i < bus.functions; ++i) {
    if (PciRead32(bus.function[i], 0) != kPvpanic) continue;
    Print("panic: told\n");
    Mmio<uint8_t>(PciBar(bus.function[i], 0)) = kPanicked;
    return;
  }
  Print("panic: nobody to tell\n");
}

}  // namespace probe
