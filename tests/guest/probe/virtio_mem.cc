// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0

#include "virtio_mem.h"

#include "boot_info.h"
#include "console.h"
#include "virtio.h"

namespace probe {
namespace {

constexpr uint32_t kMemId = 24;
constexpr uint64_t kUnpluggedInaccessible = 1 << 1;
constexpr uint32_t kBlockSize = 0, kAddress = 16, kPlugged = 40, kRequested = 48;
constexpr uint16_t kPlug = 0, kUnplug = 1, kAck = 0;
constexpr uint64_t kMostBlocks = 0xffff;

struct Request {
  uint16_t type;
  uint16_t padding[3];
  uint64_t address;
  uint16_t blocks;
  uint16_t padding2[3];
};
struct Response {
  uint16_t type;
  uint16_t padding[3];
  uint16_t state;
};

VirtioDevice* mem;

uint64_t Config64(uint32_t offset) {
  return VirtioConfig32(*mem, offset) | uint64_t{VirtioConfig32(*mem, offset + 4)} << 32;
}

// False: the device refused.
bool Ask(uint16_t type, uint64_t address, uint64_t blocks) {
  static Request request;
  static volatile Response response;
  request = {type, {}, address, uint16_t(blocks), {}};
  response.type = kAck + 1;
  const VirtioBuffer buffers[] = {{&request, sizeof request, false},
                                  {&response, sizeof response, true}};
  uint32_t length = 0;
  return DoVirtio(*mem, 0, buffers, 2, length) && response.type == kAck;
}

// All of it in one request, as far as that goes.
bool Move(uint64_t plugged, uint64_t wanted) {
  const uint64_t block = Config64(kBlockSize), start = Config64(kAddress);
  const bool plug = wanted > plugged;
  uint64_t blocks = (plug ? wanted - plugged : plugged - wanted) / block;
  if (blocks > kMostBlocks) blocks = kMostBlocks;
  const uint64_t first = plug ? plugged : plugged - blocks * block;
  if (!Ask(plug ? kPlug : kUnplug, start + first, blocks)) return false;
  return !plug || (TestWord(start + first) && TestWord(start + first + blocks * block - 8));
}

}  // namespace

void StartMem() {
  mem = FindVirtioDevice(kMemId);
  if (mem == nullptr || StartVirtio(*mem, kUnpluggedInaccessible, 1)) return;
  Print("virtio-mem: the device refused\n");
  mem = nullptr;
}

void ServeMem() {
  bool moved = false;
  while (mem != nullptr) {
    const uint64_t plugged = Config64(kPlugged), wanted = Config64(kRequested);
    if (plugged == wanted) break;
    moved = true;
    if (Move(plugged, wanted)) continue;
    Print("virtio-mem: %u bytes of %u, and no more\n", plugged, wanted);
    mem = nullptr;
  }
  if (moved && mem != nullptr) PrintMem();
}

void PrintMem() {
  if (mem == nullptr) {
    Print("virtio-mem: none\n");
    return;
  }
  Print("virtio-mem: %u bytes\n", Config64(kPlugged));
}

}  // namespace probe
