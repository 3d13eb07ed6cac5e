// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0

#include "dimms.h"

#include "boot_info.h"
#include "console.h"
#include "io.h"

namespace probe {
namespace {

constexpr uint16_t kPorts = 0xa00;
constexpr uint16_t kFlags = kPorts + 0x14;
constexpr uint8_t kPresent = 1, kInserted = 2, kLeaving = 4, kEject = 8;
constexpr uint32_t kSlots = 256;

uint64_t In64(uint16_t port) { return In32(port) | uint64_t{In32(uint16_t(port + 4))} << 32; }

}  // namespace

void ServeDimms() {
  uint64_t present = 0;
  for (uint32_t slot = 0; slot < kSlots; ++slot) {
    Out32(kPorts, slot);
    const uint8_t flags = In8(kFlags);
    if (flags == 0xff) break;  // there are no such registers
    if (!(flags & kPresent)) continue;
    if (flags & kLeaving) {
      Out8(kFlags, kLeaving);
      Out8(kFlags, kEject);
      Print("dimm: slot %u ejected\n", uint64_t{slot});
      continue;
    }
    ++present;
    const uint64_t base = In64(kPorts), size = In64(kPorts + 8);
    const bool ok = TestWord(base) && TestWord(base + size - 8);
    Print("dimm: slot %u at %x size %x %s\n", uint64_t{slot}, base, size, ok ? "ok" : "BAD");
    if (flags & kInserted) Out8(kFlags, kInserted);
  }
  Print("dimm: %u present\n", present);
}

}  // namespace probe
