// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Any CDB with any parameter data, on disks and CD-ROMs of several sizes. Checks that what the back
// end is asked for lies on the disk, and that answers stay small.
#include <algorithm>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "vmm/base/check.h"
#include "vmm/virtio/scsi/command.h"

namespace davit::virtio::scsi {
namespace {

void Check(const Command& command, const Unit& unit) {
  DAVIT_CHECK(command.data.size() <= 65536);
  if (command.status != kGood) {
    DAVIT_CHECK(command.kind == Command::Kind::kAnswer && command.data.empty());
    return;
  }
  const uint64_t end = unit.blocks * unit.block_size;
  for (const Extent& extent : command.extents) {
    DAVIT_CHECK(extent.bytes != 0 && extent.bytes % unit.block_size == 0);
    DAVIT_CHECK(extent.offset <= end && extent.bytes <= end - extent.offset);
  }
  const bool reads = command.kind == Command::Kind::kRead;
  const bool moves = reads || command.kind == Command::Kind::kWrite;
  if (moves) DAVIT_CHECK(command.extents.size() == 1 && command.extents[0].bytes <= INT32_MAX);
  const bool quiet =
      reads || command.kind == Command::Kind::kAnswer || command.kind == Command::Kind::kFlush;
  DAVIT_CHECK(quiet || !unit.read_only);
}

}  // namespace

void Run(std::span<const uint8_t> input) {
  if (input.size() < 3) return;
  Unit unit;
  unit.cdrom = input[0] & 1;
  unit.read_only = unit.cdrom || input[0] & 2;
  unit.removable = unit.cdrom;
  unit.medium = !unit.removable || !(input[1] & 0x80);
  unit.thin = input[0] & 4;
  unit.block_size = unit.cdrom ? 2048 : 512u << (input[0] >> 6);
  unit.physical_block_size = unit.block_size << (input[0] >> 4 & 3);
  unit.blocks = unit.medium ? uint64_t{1} << (input[1] % 53) : 0;
  unit.serial = std::string(input[0] >> 3 & 1, 's');
  unit.device_id = std::string(input[1], 'i');
  const std::span<const uint8_t> rest = input.subspan(2);
  const auto cdb = rest.first(std::min<size_t>(rest.size(), 16));
  const auto parameters = rest.subspan(cdb.size());
  const uint16_t luns[] = {1, 300};
  DAVIT_CHECK(ParameterBytes(cdb, unit) <= 65535);
  Tray tray;
  if (unit.removable && input[1] & 0x40) tray.Move(true);
  Check(Execute(cdb, parameters, unit, luns, kPowerOn, tray), unit);
  DAVIT_CHECK(unit.removable || !(tray.open() || tray.locked()));
  Check(ExecuteAbsent(cdb, luns), unit);
}

}  // namespace davit::virtio::scsi

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  davit::virtio::scsi::Run({data, size});
  return 0;
}
