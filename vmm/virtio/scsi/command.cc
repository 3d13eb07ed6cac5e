// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See command.h.
#include "vmm/virtio/scsi/command.h"

#include <algorithm>
#include <bit>
#include <climits>

#include "vmm/virtio/scsi/command_internal.h"

namespace davit::virtio::scsi {
namespace {

constexpr size_t kMaxUnmapDescriptors = 255;
constexpr uint32_t kMaxExtent = uint32_t{1} << 30;  // bytes of one discard or write of zeros
constexpr size_t kMaxInquiry = 252;

// A text in a field of fixed length, blanks behind it.
void PutText(std::vector<uint8_t>& to, size_t at, size_t size, const std::string& text) {
  for (size_t i = 0; i < size; ++i) {
    to[at + i] = i < text.size() ? static_cast<uint8_t>(text[i]) : uint8_t{' '};
  }
}

// --- INQUIRY -------------------------------------------------------------------------------------

// A designation descriptor (SPC-5, 7.7.6).
void AppendDesignator(std::vector<uint8_t>& page, uint8_t code_set, uint8_t type,
                      std::span<const uint8_t> id) {
  const size_t at = page.size();
  page.resize(at + 4 + id.size());
  page[at] = code_set;
  page[at + 1] = type;
  page[at + 3] = static_cast<uint8_t>(id.size());
  std::copy(id.begin(), id.end(), page.begin() + static_cast<long>(at) + 4);
}

std::vector<uint8_t> Identification(const Unit& unit) {
  std::vector<uint8_t> page(4);
  if (!unit.device_id.empty()) {
    const std::string id = unit.device_id.substr(0, 200);
    AppendDesignator(page, 2, 0, std::vector<uint8_t>(id.begin(), id.end()));
  }
  if (unit.wwn != 0) {
    std::vector<uint8_t> name(8);
    Put(name, 0, 8, unit.wwn);
    AppendDesignator(page, 1, 3, name);
  }
  return page;
}

std::vector<uint8_t> BlockLimits(const Unit& unit) {
  std::vector<uint8_t> page(64);
  const uint32_t most = kMaxExtent / unit.block_size;
  page[4] = 1;  // WSNZ: a WRITE SAME of 0 blocks is refused
  Put(page, 6, 2, std::min<uint32_t>(unit.min_io_size / unit.block_size, UINT16_MAX));
  Put(page, 8, 4, INT32_MAX / unit.block_size);
  Put(page, 12, 4, unit.opt_io_size / unit.block_size);
  Put(page, 20, 4, most);
  Put(page, 24, 4, kMaxUnmapDescriptors);
  Put(page, 28, 4, unit.physical_block_size / unit.block_size);
  Put(page, 36, 8, most);
  return page;
}

Command VitalData(uint8_t page_code, const Unit& unit, uint64_t room) {
  std::vector<uint8_t> page;
  switch (page_code) {
    case 0x00:
      page = {0, 0, 0, 0, 0x00};
      if (!unit.serial.empty()) page.push_back(0x80);
      page.push_back(0x83);
      for (const uint8_t one : {0xb0, 0xb1, 0xb2}) {
        if (!unit.cdrom) page.push_back(one);
      }
      break;
    case 0x80:
      if (unit.serial.empty()) return Check(kInvalidField);
      page.resize(4 + std::min<size_t>(unit.serial.size(), 36));
      std::copy_n(unit.serial.begin(), page.size() - 4, page.begin() + 4);
      break;
    case 0x83:
      page = Identification(unit);
      break;
    case 0xb0:
      if (unit.cdrom) return Check(kInvalidField);
      page = BlockLimits(unit);
      break;
    case 0xb1:
      if (unit.cdrom) return Check(kInvalidField);
      page.resize(64);
      Put(page, 4, 2, unit.rotation_rate);
      break;
    case 0xb2:
      if (unit.cdrom) return Check(kInvalidField);
      page = {0, 0, 0, 0, 0, 0xe0, static_cast<uint8_t>(unit.thin ? 2 : 1), 0};
      break;
    default:
      return Check(kInvalidField);
  }
  page[0] = unit.cdrom ? 5 : 0;
  page[1] = page_code;
  Put(page, 2, 2, page.size() - 4);
  return Answer(std::move(page), room);
}

Command Inquiry(const Cdb& cdb, const Unit& unit) {
  const uint64_t room = cdb.get(3, 2);
  if (cdb[1] & 1) return VitalData(cdb[2], unit, room);
  if (cdb[2] != 0) return Check(kInvalidField);
  std::vector<uint8_t> data(36);
  data[0] = unit.cdrom ? 5 : 0;
  data[1] = unit.removable ? 0x80 : 0;
  data[2] = 5;     // SPC-3
  data[3] = 0x12;  // hierarchical LUNs, response format 2
  data[4] = static_cast<uint8_t>(data.size() - 5);
  data[7] = 0x12;  // synchronous transfers, command queuing
  PutText(data, 8, 8, unit.vendor);
  PutText(data, 16, 16, unit.product);
  // QEMU has zeros behind it.
  std::copy_n(unit.version.begin(), std::min<size_t>(unit.version.size(), 4), data.begin() + 32);
  return Answer(std::move(data), std::min<uint64_t>(room, kMaxInquiry));
}

// --- MODE SENSE ----------------------------------------------------------------------------------

// Appends the page; values: false for the mask of what can be changed (nothing).
bool AppendPage(std::vector<uint8_t>& data, uint8_t page, const Unit& unit, bool locked,
                bool values) {
  const auto body = [&](size_t bytes) {
    const size_t at = data.size() + 2;
    data.resize(at + bytes);
    data[at - 2] = page;
    data[at - 1] = static_cast<uint8_t>(bytes);
    return std::span(data).subspan(at);
  };
  switch (page) {
    case 0x01: {
      const auto recovery = body(unit.cdrom ? 6 : 10);
      if (values) recovery[0] = 0x80;
      if (values && unit.cdrom) recovery[1] = 0x20;
      return true;
    }
    case 0x08: {
      if (unit.cdrom) return false;
      const auto caching = body(18);
      if (values && unit.write_cache) caching[0] = 4;
      return true;
    }
    case 0x2a: {
      if (!unit.cdrom) return false;
      const auto capabilities = body(20);
      if (values) capabilities[0] = 0x3b, capabilities[4] = locked ? 0x2f : 0x2d;
      return true;
    }
    default:
      return false;
  }
}

Command ModeSense(const Cdb& cdb, const Unit& unit, bool locked, bool long_form) {
  const uint8_t page = cdb[2] & 0x3f;
  const uint8_t control = cdb[2] >> 6;
  const uint64_t room = long_form ? cdb.get(7, 2) : cdb[4];
  const bool descriptor = !(cdb[1] & 8) && !unit.cdrom;
  if (control == 3) return Check(kSavingUnsupported);
  const size_t header = long_form ? 8 : 4;
  std::vector<uint8_t> data(header);
  data[long_form ? 3 : 2] = unit.read_only && !unit.cdrom ? 0x80 : 0;
  if (descriptor) {
    data[long_form ? 7 : 3] = 8;
    data.resize(header + 8);
    Put(data, header + 1, 3, std::min<uint64_t>(unit.blocks, 0xffffff));
    Put(data, header + 5, 3, unit.block_size);
  }
  if (page == 0x3f) {
    for (const uint8_t one : {0x01, 0x08, 0x2a}) {
      (void)AppendPage(data, one, unit, locked, control != 1);
    }
  } else if (!AppendPage(data, page, unit, locked, control != 1)) {
    return Check(kInvalidField);
  }
  if (long_form) {
    Put(data, 0, 2, data.size() - 2);
  } else {
    data[0] = static_cast<uint8_t>(data.size() - 1);
  }
  return Answer(std::move(data), room);
}

// --- small ones ----------------------------------------------------------------------------------

Command ReportLuns(const Cdb& cdb, std::span<const uint16_t> luns) {
  const uint64_t room = cdb.get(6, 4);
  if (room < 16 || cdb[2] > 2) return Check(kInvalidField);
  std::vector<uint8_t> data(8);
  // LUN 0 is always there: it answers for the target.
  std::vector<uint16_t> all(luns.begin(), luns.end());
  if (std::find(all.begin(), all.end(), 0) == all.end()) all.insert(all.begin(), 0);
  if (cdb[2] == 1) all.clear();  // well-known ones alone
  for (const uint16_t lun : all) {
    const size_t at = data.size();
    data.resize(at + 8);
    Put(data, at, 2, lun < 256 ? lun : 0x4000u | lun);
  }
  Put(data, 0, 4, data.size() - 8);
  return Answer(std::move(data), room);
}

Command RequestSense(const Cdb& cdb, const Sense& pending) {
  if (cdb[1] & 1) return Check(kInvalidField);  // descriptor format
  return Answer(FixedSense(pending), cdb[4]);
}

Command Capacity10(const Cdb& cdb, const Unit& unit) {
  if (!(cdb[8] & 1) && cdb.get(2, 4) != 0) return Check(kInvalidField);
  std::vector<uint8_t> data(8);
  const uint64_t last = unit.blocks == 0 ? 0 : unit.blocks - 1;
  Put(data, 0, 4, std::min<uint64_t>(last, UINT32_MAX));
  Put(data, 4, 4, unit.block_size);
  return Answer(std::move(data), 8);
}

Command Capacity16(const Cdb& cdb, const Unit& unit) {
  if ((cdb[1] & 0x1f) != 0x10) return Check(kInvalidField);
  std::vector<uint8_t> data(32);
  Put(data, 0, 8, unit.blocks == 0 ? 0 : unit.blocks - 1);
  Put(data, 8, 4, unit.block_size);
  data[13] =
      static_cast<uint8_t>(std::bit_width(unit.physical_block_size / unit.block_size) - 1) & 0xf;
  if (unit.thin) data[14] = 0x80;
  return Answer(std::move(data), cdb.get(10, 4));
}

// --- removable media -----------------------------------------------------------------------------

// What is answered with an open tray or without a medium. The rest needs one, known or not.
bool NeedsMedium(uint8_t opcode) {
  switch (opcode) {
    case kOpRequestSense:
    case kOpInquiry:
    case kOpReportLuns:
    case kOpEventStatus:
    case 0x1a:  // MODE SENSE(6)
    case 0x1b:  // START STOP UNIT
    case 0x1e:  // PREVENT ALLOW MEDIUM REMOVAL
    case 0x46:  // GET CONFIGURATION
    case 0x5a:  // MODE SENSE(10)
    case 0xbd:  // MECHANISM STATUS
      return false;
    default:
      return true;
  }
}

// START STOP UNIT: no power conditions. LoEj moves the tray: out with START 0, in with START 1.
Command StartStop(const Cdb& cdb, const Unit& unit, Tray& tray) {
  const bool start = cdb[4] & 1;
  const bool move = cdb[4] & 2;
  if (cdb[4] & 0xf0 || (move && !unit.removable)) return Check(kInvalidField);
  if (!move) return Command{};
  if (!start && !tray.open() && tray.locked()) {
    return Check(unit.medium ? kRemovalPrevented : kEmptyRemovalPrevented);
  }
  tray.set_open(!start);
  return Command{};
}

Command PreventRemoval(const Cdb& cdb, const Unit& unit, Tray& tray) {
  if (unit.removable) tray.set_locked(cdb[4] & 1);
  return Command{};
}

// --- data ----------------------------------------------------------------------------------------

// True and the extent appended, or false: beyond the end.
bool AddExtent(Command& command, const Unit& unit, uint64_t lba, uint64_t count) {
  if (lba > unit.blocks || count > unit.blocks - lba) return false;
  command.extents.push_back({lba * unit.block_size, count * unit.block_size});
  return true;
}

Command Transfer(const Unit& unit, bool write, uint64_t lba, uint64_t count, uint8_t flags) {
  Command command;
  if (write && unit.read_only) return Check(kWriteProtected);
  if (flags & 0xe0) return Check(kInvalidField);  // protection information
  if (!AddExtent(command, unit, lba, count)) return Check(kBadLba);
  if (count > INT32_MAX / unit.block_size) return Check(kInvalidField);
  if (count == 0) return Command{};
  command.kind = write ? Command::Kind::kWrite : Command::Kind::kRead;
  command.fua = write && (flags & 8);
  return command;
}

Command Flush() {
  Command command;
  command.kind = Command::Kind::kFlush;
  return command;
}

Command SynchronizeCache(const Unit& unit, uint64_t lba, uint64_t count) {
  Command command;
  if (!AddExtent(command, unit, lba, count)) return Check(kBadLba);
  return Flush();
}

Command Unmap(const Cdb& cdb, std::span<const uint8_t> list, const Unit& unit) {
  if (cdb[1] & 1) return Check(kInvalidField);  // ANCHOR
  if (cdb.get(7, 2) == 0) return Command{};
  if (list.size() < 8) return Check(kBadParameterLength);
  const uint64_t length = Be(list, 2, 2);
  if (Be(list, 0, 2) + 2 > list.size() || length + 8 > list.size() || length % 16 != 0) {
    return Check(kBadParameterLength);
  }
  if (length / 16 > kMaxUnmapDescriptors) return Check(kBadParameter);
  if (unit.read_only) return Check(kWriteProtected);
  Command command;
  command.kind = Command::Kind::kDiscard;
  for (size_t at = 8; at < 8 + length; at += 16) {
    const uint64_t count = Be(list, at + 8, 4);
    if (count > kMaxExtent / unit.block_size) return Check(kBadParameter);
    if (!AddExtent(command, unit, Be(list, at, 8), count)) return Check(kBadLba);
    if (count == 0) command.extents.pop_back();
  }
  if (command.extents.empty()) return Command{};
  return command;
}

Command WriteSame(const Unit& unit, std::span<const uint8_t> block, uint64_t lba, uint64_t count,
                  uint8_t flags, bool no_data) {
  if (unit.read_only) return Check(kWriteProtected);
  if (flags & 0xf0 || count == 0 || count > kMaxExtent / unit.block_size) {
    return Check(kInvalidField);
  }
  if (!no_data && block.size() < unit.block_size) return Check(kInvalidField);
  const bool zero = std::all_of(block.begin(), block.end(), [](uint8_t b) { return b == 0; });
  if (!no_data && !zero) return Check(kInvalidField);
  Command command;
  command.kind = Command::Kind::kWriteZeroes;
  command.unmap = flags & 8;
  if (!AddExtent(command, unit, lba, count)) return Check(kBadLba);
  return command;
}

uint64_t Or256(uint8_t count) { return count == 0 ? 256 : count; }

// What a disk has and a CD-ROM has not.
Command ExecuteDisk(const Cdb& cdb, std::span<const uint8_t> parameters, const Unit& unit) {
  switch (cdb[0]) {
    case 0x0a:  // WRITE(6)
      return Transfer(unit, true, cdb.get(1, 3) & 0x1fffff, Or256(cdb[4]), 0);
    case 0x2a:  // WRITE(10)
      return Transfer(unit, true, cdb.get(2, 4), cdb.get(7, 2), cdb[1]);
    case 0xaa:  // WRITE(12)
      return Transfer(unit, true, cdb.get(2, 4), cdb.get(6, 4), cdb[1]);
    case 0x8a:  // WRITE(16)
      return Transfer(unit, true, cdb.get(2, 8), cdb.get(10, 4), cdb[1]);
    case kOpEventStatus:
      return Check(kInvalidField);
    case 0x42:
      return Unmap(cdb, parameters, unit);
    case 0x41:  // WRITE SAME(10)
      return WriteSame(unit, parameters, cdb.get(2, 4), cdb.get(7, 2), cdb[1] & 0xfe, false);
    case 0x93:  // WRITE SAME(16)
      return WriteSame(unit, parameters, cdb.get(2, 8), cdb.get(10, 4), cdb[1] & 0xfe, cdb[1] & 1);
    default:
      return Check(kInvalidOpcode);
  }
}

}  // namespace

std::vector<uint8_t> FixedSense(const Sense& sense) {
  std::vector<uint8_t> data(kSenseBytes);
  data[0] = 0x70;
  data[2] = sense.key;
  data[7] = kSenseBytes - 8;
  data[12] = sense.asc;
  data[13] = sense.ascq;
  return data;
}

// Power-on first, then by their codes: what is more basic has the smaller one.
const Sense& MoreUrgent(const Sense& a, const Sense& b) {
  const auto rank = [](const Sense& sense) {
    if (sense.key == 0) return INT_MAX;
    return sense.asc == kPowerOn.asc ? 0 : sense.asc << 8 | sense.ascq;
  };
  return rank(b) < rank(a) ? b : a;
}

size_t ParameterBytes(std::span<const uint8_t> bytes, const Unit& unit) {
  const Cdb cdb(bytes);
  if (cdb[0] == 0x42) return cdb.get(7, 2);
  if (cdb[0] == 0x41 || (cdb[0] == 0x93 && !(cdb[1] & 1))) return unit.block_size;
  return 0;
}

Command Execute(std::span<const uint8_t> bytes, std::span<const uint8_t> parameters,
                const Unit& unit, std::span<const uint16_t> luns, const Sense& pending,
                Tray& tray) {
  const Cdb cdb(bytes);
  if ((!unit.medium || tray.open()) && NeedsMedium(cdb[0])) return Check(kNoMedium);
  switch (cdb[0]) {
    case 0x00:  // TEST UNIT READY
      return Command{};
    case 0x1e:
      return PreventRemoval(cdb, unit, tray);
    case 0x1b:
      return StartStop(cdb, unit, tray);
    case kOpRequestSense:
      return RequestSense(cdb, pending);
    case kOpInquiry:
      return Inquiry(cdb, unit);
    case 0x1a:
      return ModeSense(cdb, unit, tray.locked(), false);
    case 0x5a:
      return ModeSense(cdb, unit, tray.locked(), true);
    case 0x25:
      return Capacity10(cdb, unit);
    case 0x9e:
      return Capacity16(cdb, unit);
    case kOpReportLuns:
      return ReportLuns(cdb, luns);
    case 0x35:  // SYNCHRONIZE CACHE(10)
      return SynchronizeCache(unit, cdb.get(2, 4), cdb.get(7, 2));
    case 0x91:  // SYNCHRONIZE CACHE(16)
      return SynchronizeCache(unit, cdb.get(2, 8), cdb.get(10, 4));
    case 0x08:  // READ(6)
      return Transfer(unit, false, cdb.get(1, 3) & 0x1fffff, Or256(cdb[4]), 0);
    case 0x28:  // READ(10)
      return Transfer(unit, false, cdb.get(2, 4), cdb.get(7, 2), cdb[1]);
    case 0xa8:  // READ(12)
      return Transfer(unit, false, cdb.get(2, 4), cdb.get(6, 4), cdb[1]);
    case 0x88:  // READ(16)
      return Transfer(unit, false, cdb.get(2, 8), cdb.get(10, 4), cdb[1]);
    default:
      return unit.cdrom ? ExecuteCdrom(cdb, unit, tray) : ExecuteDisk(cdb, parameters, unit);
  }
}

Command ExecuteAbsent(std::span<const uint8_t> bytes, std::span<const uint16_t> luns) {
  const Cdb cdb(bytes);
  switch (cdb[0]) {
    case kOpReportLuns:
      return ReportLuns(cdb, luns);
    case kOpRequestSense:
      return RequestSense(cdb, kLunNotSupported);
    case kOpInquiry: {
      if (cdb[1] & 1 || cdb[2] != 0) return Check(kInvalidField);
      std::vector<uint8_t> data(36);
      data[0] = 0x7f;  // no device can be here
      data[2] = 5;
      data[3] = 0x12;
      data[4] = static_cast<uint8_t>(data.size() - 5);
      PutText(data, 8, 28, "");
      return Answer(std::move(data), cdb.get(3, 2));
    }
    default:
      return Check(kLunNotSupported);
  }
}

}  // namespace davit::virtio::scsi
