// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The device by which a guest says where its kernel's notes for crash tools lie
// (docs/specs/vmcoreinfo of QEMU): 16 bytes that it writes to a file of fw_cfg. They are the
// guest's word, kept as they are and read by nobody in this process.
//
//   u16 host format, u16 guest format (0 none, 1 ELF), u32 size, u64 guest physical address
//
// Made and reset on the control thread, the vCPUs parked; the file is read and written on vCPU
// threads.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <mutex>

#include "vmm/base/error.h"
#include "vmm/devices/fw_cfg.h"

namespace davit::devices {

class VmCoreInfo {
 public:
  static constexpr char kFile[] = "etc/vmcoreinfo";
  static constexpr size_t kSize = 16;

  // Adds the file. Error: FwCfg::AddFile()'s.
  static Result<std::unique_ptr<VmCoreInfo>> Create(FwCfg& fw_cfg);

  // What the guest wrote is forgotten.
  void Reset() { content_->Reset(); }

 private:
  // The file's, which outlives the device.
  struct Content {
    Content() { Reset(); }
    void Reset();
    std::mutex mutex;  // guards what follows
    std::array<std::byte, kSize> bytes{};
  };
  explicit VmCoreInfo(std::shared_ptr<Content> content) : content_(std::move(content)) {}

  const std::shared_ptr<Content> content_;
};

}  // namespace davit::devices
