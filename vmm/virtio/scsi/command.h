// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A SCSI command on a disk or CD-ROM (SPC-5, SBC-4, MMC-6): from the CDB and its parameter data to
// the answer, to sense data, or to what the back end has to do. Pure: the caller moves the data.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "vmm/virtio/scsi/tray.h"

namespace davit::virtio::scsi {

// What a logical unit is, for a command.
struct Unit {
  bool cdrom = false;
  bool removable = false;
  bool read_only = false;
  bool write_cache = true;
  bool thin = false;  // discards give storage back
  uint32_t block_size = 512;
  uint32_t physical_block_size = 512;  // power of two times block_size
  bool medium = true;                  // without one: blocks is 0
  uint64_t blocks = 0;
  uint32_t min_io_size = 0, opt_io_size = 0;  // bytes
  std::string vendor, product, version, serial, device_id;
  uint64_t wwn = 0;
  uint16_t rotation_rate = 0;
};

struct Sense {
  uint8_t key = 0, asc = 0, ascq = 0;
};
// ILLEGAL REQUEST with its reasons, and others that the device gives.
inline constexpr Sense kInvalidOpcode{5, 0x20, 0}, kInvalidField{5, 0x24, 0}, kBadLba{5, 0x21, 0},
    kLunNotSupported{5, 0x25, 0}, kBadParameterLength{5, 0x1a, 0}, kBadParameter{5, 0x26, 0},
    kSavingUnsupported{5, 0x39, 0}, kWriteProtected{7, 0x27, 0}, kPowerOn{6, 0x29, 0},
    kCapacityHasChanged{6, 0x2a, 9}, kLunsHaveChanged{6, 0x3f, 0x0e}, kSpaceFull{7, 0x27, 7},
    kTargetFailure{4, 0x44, 0}, kIoError{0x0b, 0, 6}, kNoSense{};
// Of media: there is none; the guest's own lock is in the way; the tray was moved; there may be
// another medium.
inline constexpr Sense kNoMedium{2, 0x3a, 0}, kRemovalPrevented{5, 0x53, 2},
    kEmptyRemovalPrevented{2, 0x53, 2}, kTrayWasMoved{6, 0x3a, 0},
    kMediumMayHaveChanged{6, 0x28, 0}, kIncompatibleFormat{5, 0x30, 0};

inline constexpr uint8_t kGood = 0, kCheckCondition = 2;
inline constexpr size_t kSenseBytes = 18;

// Fixed format (SPC-5, 4.4.3).
std::vector<uint8_t> FixedSense(const Sense& sense);

struct Extent {
  uint64_t offset = 0, bytes = 0;
};

struct Command {
  enum class Kind : uint8_t {
    kAnswer,  // `data` is it; status may be a check condition
    kRead,    // of extents[0]
    kWrite,
    kFlush,
    kDiscard,  // of all extents, one after the other
    kWriteZeroes,
  };
  Kind kind = Kind::kAnswer;
  uint8_t status = kGood;
  Sense sense;
  std::vector<uint8_t> data;
  std::vector<Extent> extents;
  bool fua = false;
  bool unmap = false;  // kWriteZeroes
};

inline constexpr uint8_t kOpInquiry = 0x12, kOpRequestSense = 0x03, kOpReportLuns = 0xa0,
                         kOpEventStatus = 0x4a;
// Of two unit attentions the one that is told first.
const Sense& MoreUrgent(const Sense& a, const Sense& b);

// How much parameter data the command takes from the driver; not for writes. At most 2 MiB.
size_t ParameterBytes(std::span<const uint8_t> cdb, const Unit& unit);

// cdb: at least one byte; bytes that are not there count as zero. parameters: ParameterBytes() or
// fewer. luns: of the target, for REPORT LUNS. pending: sense data that REQUEST SENSE reports.
// tray: moved, locked and asked by the command; that of a unit that is not removable stays closed.
Command Execute(std::span<const uint8_t> cdb, std::span<const uint8_t> parameters, const Unit& unit,
                std::span<const uint16_t> luns, const Sense& pending, Tray& tray);
// The same for a LUN that the target does not have.
Command ExecuteAbsent(std::span<const uint8_t> cdb, std::span<const uint16_t> luns);

}  // namespace davit::virtio::scsi
