// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The properties that every kind of disk has (virtio-blk, scsi-hd, scsi-cd), and the back end that
// its drive= names. Errors are QEMU's.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "vmm/backend/block/graph.h"
#include "vmm/machine/devices/context.h"
#include "vmm/machine/devices/properties.h"

namespace davit::machine {

// logical_block_size= or physical_block_size=: a power of two, or 0 for what the disk has.
Result<uint32_t> BlockSizeOf(const DeviceProperties& props, const char* name);

// From share-rw=, rerror=, werror= and write-cache=; the rest is the device's.
backend::AttachOptions AttachOptionsOf(const DeviceProperties& props);

// The back end of drive=, or where it was not given and the device needs no medium, an empty one.
// Error: not given, nothing of this name, in use; `owner` is the type that the error names as
// having the property.
Result<std::shared_ptr<backend::BlockBackend>> AttachDrive(DeviceContext& context,
                                                           const DeviceProperties& props,
                                                           std::string_view owner,
                                                           backend::AttachOptions options);

}  // namespace davit::machine
