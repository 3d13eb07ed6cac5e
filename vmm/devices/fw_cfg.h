// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// QEMU's firmware configuration device (docs/specs/fw_cfg): numbered items and named files that a
// guest reads through a selector and a data port, or by DMA, and that it writes by DMA where the
// item allows it. The guest chooses every number: what lies beyond an item reads as zeros, a DMA
// that touches anything but RAM ends with its error bit, and never reaches a device. A DMA is done
// within the exit of its vCPU, under the device's mutex: it moves what is left of an item and a
// bounded number of zeros, or nothing. Add...(): control thread, at any time; registers: any
// thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "vmm/base/error.h"
#include "vmm/bus/bus.h"

namespace davit::devices {

class FwCfg {
 public:
  static constexpr uint64_t kPorts = 2;     // selector and data
  static constexpr uint64_t kDmaPorts = 8;  // the DMA address register
  static constexpr size_t kMaxFiles = 32;
  static constexpr size_t kMaxName = 55;
  static constexpr uint32_t kMaxZeros = 1 << 20;  // behind an item, of one DMA

  // Keys of items without a name.
  enum Key : uint16_t {
    kSignature = 0x00,
    kId = 0x01,
    kUuid = 0x02,
    kRamSize = 0x03,
    kNoGraphic = 0x04,
    kCpuCount = 0x05,
    kKernelAddress = 0x07,
    kKernelSize = 0x08,
    kInitrdAddress = 0x0a,
    kInitrdSize = 0x0b,
    kBootDevice = 0x0c,
    kNuma = 0x0d,
    kBootMenu = 0x0e,
    kMaxCpus = 0x0f,
    kKernelData = 0x11,
    kInitrdData = 0x12,
    kCmdlineAddress = 0x13,
    kCmdlineSize = 0x14,
    kCmdlineData = 0x15,
    kSetupAddress = 0x16,
    kSetupSize = 0x17,
    kSetupData = 0x18,
    kFileDirectory = 0x19,
    kFirstFile = 0x20,
    kAcpiTables = 0x8000,
    kIrq0Override = 0x8002,
  };

  // Guest RAM, and nothing but RAM: an Error for any byte outside of it.
  class Memory {
   public:
    virtual ~Memory() = default;
    virtual Status Read(uint64_t address, std::span<std::byte> out) = 0;
    virtual Status Write(uint64_t address, std::span<const std::byte> in) = 0;
    virtual Status Fill(uint64_t address, uint64_t size, std::byte value) = 0;
  };

  // Where the bytes of an item come from; its calls run on vCPU threads.
  struct Source {
    uint64_t size = 0;
    // All of out from offset on, inside size. Error: the item cannot be read now.
    std::function<Status(uint64_t offset, std::span<std::byte> out)> read;
    // The guest changes bytes inside size; empty: it may not.
    std::function<void(uint64_t offset, std::span<const std::byte> in)> write = {};
  };

  explicit FwCfg(Memory& memory);  // outlives the device

  void Add(uint16_t key, std::vector<std::byte> data);
  void Add(uint16_t key, Source source);
  void AddInt(uint16_t key, uint64_t value, size_t bytes);  // little-endian
  // Error: the name is empty, too long or taken, or there are too many files.
  Status AddFile(const std::string& name, std::vector<std::byte> data);
  Status AddFile(const std::string& name, Source source);
  // New bytes for a file that is there (tables that change with a reset).
  void SetFile(const std::string& name, std::vector<std::byte> data);

  bus::BusDevice& ports() { return ports_; }
  bus::BusDevice& dma_ports() { return dma_ports_; }
  void Reset();

 private:
  class Ports final : public bus::BusDevice {
   public:
    explicit Ports(FwCfg& device) : device_(device) {}
    void Read(uint64_t offset, std::span<uint8_t> data) override;
    void Write(uint64_t offset, std::span<const uint8_t> data) override;

   private:
    FwCfg& device_;
  };
  class DmaPorts final : public bus::BusDevice {
   public:
    explicit DmaPorts(FwCfg& device) : device_(device) {}
    void Read(uint64_t offset, std::span<uint8_t> data) override;
    void Write(uint64_t offset, std::span<const uint8_t> data) override;

   private:
    FwCfg& device_;
  };

  // mutex_ held.
  const Source* Selected() const;
  uint64_t Left() const;  // bytes of the selected item from offset_ on
  void RebuildDirectory();
  // Bytes of the selected item from offset_ on, zeros behind its end; moves on.
  void ReadItem(std::span<std::byte> out);
  void RunDma(uint64_t descriptor);
  Status Transfer(uint64_t address, uint32_t length, bool read);
  Status WriteItem(uint64_t address, uint32_t length);

  Memory& memory_;
  Ports ports_{*this};
  DmaPorts dma_ports_{*this};
  mutable std::mutex mutex_;  // guards what follows
  std::map<uint16_t, Source> items_;
  std::vector<std::string> files_;  // file n has key kFirstFile + n
  uint16_t key_ = 0;
  uint64_t offset_ = 0;
  std::array<uint8_t, kDmaPorts> dma_address_{};  // big-endian
};

}  // namespace davit::devices
