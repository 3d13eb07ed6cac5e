// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See disk_properties.h.
#include "vmm/machine/devices/disk_properties.h"

#include <fmt/format.h>

#include <bit>
#include <string>
#include <utility>

namespace davit::machine {
namespace {

constexpr uint64_t kMaxBlockSize = 2 * 1024 * 1024;

backend::ErrorPolicy PolicyOf(const std::string& text) {
  if (text == "report") return backend::ErrorPolicy::kReport;
  if (text == "ignore") return backend::ErrorPolicy::kIgnore;
  if (text == "enospc") return backend::ErrorPolicy::kEnospc;
  if (text == "stop") return backend::ErrorPolicy::kStop;
  return backend::ErrorPolicy::kAuto;
}

}  // namespace

Result<uint32_t> BlockSizeOf(const DeviceProperties& props, const char* name) {
  const uint64_t size = props.Uint(name);
  if (size == 0) return 0;
  // On PCI, QEMU's device has no name: it is its function that has.
  const std::string owner = props.driver().find("-pci") == std::string::npos ? props.id() : "";
  if (size < 512 || size > kMaxBlockSize) {
    return Fail(fmt::format("Property {}.{} doesn't take value {} (minimum: 512, maximum: {})",
                            owner, name, size, kMaxBlockSize));
  }
  if (!std::has_single_bit(size)) {
    return Fail(fmt::format("Property {}.{} doesn't take value '{}', it's not a power of 2", owner,
                            name, size));
  }
  return static_cast<uint32_t>(size);
}

backend::AttachOptions AttachOptionsOf(const DeviceProperties& props) {
  backend::AttachOptions options;
  options.qdev = props.id().empty() ? props.path() : props.id();
  options.share_rw = props.Bool("share-rw");
  options.rerror = PolicyOf(props.Text("rerror"));
  options.werror = PolicyOf(props.Text("werror"));
  if (props.Text("write-cache") != "auto") options.write_cache = props.OnOff("write-cache", true);
  return options;
}

Result<std::shared_ptr<backend::BlockBackend>> AttachDrive(DeviceContext& context,
                                                           const DeviceProperties& props,
                                                           std::string_view owner,
                                                           backend::AttachOptions options) {
  const std::string drive = props.Text("drive");
  if (drive.empty()) {
    if (options.needs_medium || context.blocks == nullptr) return Fail("drive property not set");
    return context.blocks->AttachEmpty(std::move(options));
  }
  if (context.blocks == nullptr) {
    return Fail(fmt::format("Property '{}.drive' can't find value '{}'", owner, drive));
  }
  auto disk = context.blocks->Attach(drive, std::move(options));
  if (disk) return disk;
  Error error = std::move(disk).error();
  if (error.message.starts_with("can't find value")) {
    error.message = fmt::format("Property '{}.drive' {}", owner, error.message);
  }
  if (!error.where.empty()) error.message += "\n" + error.where;
  return Fail(std::move(error));
}

}  // namespace davit::machine
