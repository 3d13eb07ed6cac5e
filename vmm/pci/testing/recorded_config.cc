// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See recorded_config.h.
#include "vmm/pci/testing/recorded_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "vmm/base/check.h"
#include "vmm/pci/host_bridge.h"

namespace davit::pci {

RecordedConfig LoadRecordedConfig(const std::string& path) {
  std::ifstream file(path);
  DAVIT_CHECK(file.is_open());
  RecordedConfig config;
  std::vector<uint8_t>* to = nullptr;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("size ")) {
      config.bytes.resize(std::stoul(line.substr(5)));
      config.writable.resize(config.bytes.size());
    } else if (line == "bytes") {
      to = &config.bytes;
    } else if (line == "writable") {
      to = &config.writable;
    } else if (to != nullptr) {
      const size_t colon = line.find(':');
      DAVIT_CHECK(colon != std::string::npos);
      const size_t first = std::stoul(line.substr(0, 3), nullptr, 16);
      const size_t last = colon == 7 ? std::stoul(line.substr(4, 3), nullptr, 16) : first + 15;
      std::istringstream values(line.substr(colon + 1));
      unsigned value = 0;
      for (size_t i = first; i <= last; ++i) {
        values >> std::hex >> value;  // a range has one value, which stays
        to->at(i) = static_cast<uint8_t>(value);
      }
    }
  }
  return config;
}

RecordedConfig RecordConfig(HostBridge& host, uint8_t bus, uint8_t devfn, uint32_t size) {
  RecordedConfig config;
  const auto read = [&](uint32_t offset) {
    uint8_t value = 0;
    host.Read(bus, devfn, offset, std::span(&value, 1));
    return value;
  };
  const auto write = [&](uint32_t offset, uint8_t value) {
    host.Write(bus, devfn, offset, std::span(&value, 1));
  };
  for (uint32_t i = 0; i < size; ++i) config.bytes.push_back(read(i));
  for (uint32_t i = 0; i < size; ++i) {
    write(i, 0xff);
    const uint8_t ones = read(i);
    write(i, 0);
    config.writable.push_back(static_cast<uint8_t>(ones ^ read(i)));
    write(i, config.bytes[i]);
  }
  return config;
}

std::string Difference(const std::vector<uint8_t>& ours, const std::vector<uint8_t>& qemu) {
  std::string text;
  for (size_t i = 0; i < std::max(ours.size(), qemu.size()); ++i) {
    const int a = i < ours.size() ? ours[i] : -1;
    const int b = i < qemu.size() ? qemu[i] : -1;
    if (a != b) text += fmt::format("{:#x}: {:02x}, in QEMU {:02x}\n", i, a, b);
  }
  return text;
}

}  // namespace davit::pci
