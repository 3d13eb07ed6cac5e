// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See vmcoreinfo.h.
#include "vmm/devices/vmcoreinfo.h"

#include <algorithm>
#include <utility>

#include "vmm/base/endian.h"

namespace davit::devices {
namespace {

constexpr uint16_t kFormatElf = 1;  // what a host can use

}  // namespace

void VmCoreInfo::Content::Reset() {
  const std::lock_guard lock(mutex);
  bytes.fill(std::byte{0});
  StoreLe(bytes.data(), 2, kFormatElf);
}

Result<std::unique_ptr<VmCoreInfo>> VmCoreInfo::Create(FwCfg& fw_cfg) {
  auto content = std::make_shared<Content>();
  FwCfg::Source source;
  source.size = kSize;
  source.read = [content](uint64_t offset, std::span<std::byte> out) -> Status {
    const std::lock_guard lock(content->mutex);
    std::copy_n(content->bytes.begin() + static_cast<ptrdiff_t>(offset), out.size(), out.begin());
    return {};
  };
  source.write = [content](uint64_t offset, std::span<const std::byte> in) {
    const std::lock_guard lock(content->mutex);
    std::copy(in.begin(), in.end(), content->bytes.begin() + static_cast<ptrdiff_t>(offset));
  };
  DAVIT_TRY(fw_cfg.AddFile(kFile, std::move(source)));
  return std::unique_ptr<VmCoreInfo>(new VmCoreInfo(std::move(content)));
}

}  // namespace davit::devices
