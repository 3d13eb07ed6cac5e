// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Configuration spaces recorded from QEMU 7.2 (testdata/*.hex), for comparison byte by byte: the
// bytes after reset, and which bits a guest can change (found by writing ones, then zeros, to each
// byte).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "vmm/pci/function.h"

namespace davit::pci {

struct RecordedConfig {
  std::vector<uint8_t> bytes;
  std::vector<uint8_t> writable;
};

// path: from the workspace root. A file that cannot be read ends the test.
RecordedConfig LoadRecordedConfig(const std::string& path);

// What a guest sees and finds out in the function at bus:devfn, in the same form.
RecordedConfig RecordConfig(HostBridge& host, uint8_t bus, uint8_t devfn, uint32_t size);

// "" when equal, else one line a differing byte: "0x1e0: 04, in QEMU 00".
std::string Difference(const std::vector<uint8_t>& ours, const std::vector<uint8_t>& qemu);

}  // namespace davit::pci
