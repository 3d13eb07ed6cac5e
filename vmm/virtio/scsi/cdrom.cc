// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See command.h: the commands of CD-ROM drives (MMC-6). The drive reads CDs and DVDs; which of the
// two a medium is, its size tells. Either is one closed session of one data track.
#include <algorithm>

#include "vmm/virtio/scsi/command_internal.h"

namespace davit::virtio::scsi {
namespace {

constexpr uint64_t kMostCdBytes = uint64_t{80} * 60 * 75 * 2048;  // 80 minutes

enum class Profile : uint16_t { kNone = 0, kCdRom = 0x08, kDvdRom = 0x10 };

Profile ProfileOf(const Unit& unit, const Tray& tray) {
  if (!unit.medium || tray.open()) return Profile::kNone;
  return unit.blocks * unit.block_size > kMostCdBytes ? Profile::kDvdRom : Profile::kCdRom;
}

// One data track and the lead-out (MMC-6, 6.26), without sessions.
Command ReadToc(const Cdb& cdb, const Unit& unit) {
  if ((cdb[2] & 0xf) != 0 || (cdb[6] > 1 && cdb[6] != 0xaa)) return Check(kInvalidField);
  std::vector<uint8_t> data{0, 0, 1, 1};
  const auto track = [&](uint8_t number, uint64_t lba) {
    const size_t at = data.size();
    data.resize(at + 8);
    data[at + 1] = number == 0xaa ? 0x16 : 0x14;
    data[at + 2] = number;
    if (cdb[1] & 2) {  // minutes, seconds, frames
      const uint64_t frames = lba + 150;
      data[at + 5] = static_cast<uint8_t>(frames / 75 / 60);
      data[at + 6] = static_cast<uint8_t>(frames / 75 % 60);
      data[at + 7] = static_cast<uint8_t>(frames % 75);
    } else {
      Put(data, at + 4, 4, std::min<uint64_t>(lba, UINT32_MAX));
    }
  };
  if (cdb[6] <= 1) track(1, 0);
  track(0xaa, unit.blocks);
  Put(data, 0, 2, data.size() - 2);
  return Answer(std::move(data), cdb.get(7, 2));
}

// GET EVENT STATUS NOTIFICATION, polled alone, with events of the media class alone.
Command EventStatus(const Cdb& cdb, const Unit& unit, Tray& tray) {
  constexpr uint8_t kMedia = 4;
  if (!(cdb[1] & 1)) return Check(kInvalidField);
  std::vector<uint8_t> data{0, 0, 0x80, 1 << kMedia};
  if (cdb[4] & 1 << kMedia) {
    data[2] = kMedia;
    const auto event = tray.TakeEvent(unit.medium);
    data.insert(data.end(), event.begin(), event.end());
  }
  Put(data, 0, 2, data.size() - 4);
  return Answer(std::move(data), cdb.get(7, 2));
}

// A feature descriptor (5.3) with its data to be filled in: always there, version as given.
std::span<uint8_t> AppendFeature(std::vector<uint8_t>& data, uint16_t code, uint8_t version,
                                 uint8_t bytes) {
  constexpr uint8_t kPersistentAndCurrent = 3;
  const size_t at = data.size();
  data.resize(at + 4 + bytes);
  Put(data, at, 2, code);
  data[at + 2] = static_cast<uint8_t>(version << 2 | kPersistentAndCurrent);
  data[at + 3] = bytes;
  return std::span(data).subspan(at + 4);
}

// GET CONFIGURATION (6.6). All features, whichever are asked for, as in QEMU.
Command Configuration(const Cdb& cdb, const Unit& unit, const Tray& tray) {
  const Profile current = ProfileOf(unit, tray);
  std::vector<uint8_t> data(8);
  Put(data, 6, 2, static_cast<uint16_t>(current));
  const auto profiles = AppendFeature(data, 0, 0, 8);
  size_t at = 0;
  for (const Profile one : {Profile::kDvdRom, Profile::kCdRom}) {
    profiles[at + 1] = static_cast<uint8_t>(one);
    profiles[at + 2] = one == current;
    at += 4;
  }
  const auto core = AppendFeature(data, 1, 2, 8);
  core[3] = 1;  // the interface is SCSI
  core[4] = 1;  // device busy events
  const auto removable = AppendFeature(data, 3, 2, 4);
  removable[0] = 0x39;  // a tray that loads, ejects and locks, and is not locked at first
  Put(data, 0, 4, data.size() - 4);
  return Answer(std::move(data), cdb.get(7, 2));
}

// MECHANISM STATUS (6.8): idle, no changer.
Command MechanismStatus(const Cdb& cdb) {
  std::vector<uint8_t> data(8);
  data[5] = 1;  // one slot
  return Answer(std::move(data), cdb.get(8, 2));
}

// READ DISC INFORMATION (6.21), of a closed disc; track resources and the rest are of recorders.
Command DiscInformation(const Cdb& cdb) {
  if (cdb[1] & 7) return Check(kInvalidField);
  std::vector<uint8_t> data(34);
  data[2] = 0x0e;                             // not erasable, last session and disc complete
  data[3] = data[4] = data[5] = data[6] = 1;  // first track; sessions; first and last track of it
  data[7] = 0x20;                             // of unrestricted use
  Put(data, 0, 2, data.size() - 2);
  return Answer(std::move(data), cdb.get(7, 2));
}

// READ DVD STRUCTURE (6.22).
Command DvdStructure(const Cdb& cdb, const Unit& unit, const Tray& tray) {
  constexpr uint8_t kPhysical = 0, kCopyright = 1, kManufacturing = 4, kList = 0xff;
  constexpr std::pair<uint8_t, uint16_t> kSizes[] = {
      {kPhysical, 2048 + 4}, {kCopyright, 4 + 4}, {3, 188 + 4}, {kManufacturing, 2048 + 4}};
  const uint8_t format = cdb[7];
  if (cdb[1] != 0) return Check(kInvalidField);
  std::vector<uint8_t> data(4);
  if (format == kList) {
    for (const auto& [code, size] : kSizes) {
      const size_t at = data.size();
      data.resize(at + 4);
      data[at] = code;
      data[at + 1] = 0x40;  // can be read
      Put(data, at + 2, 2, size);
    }
  } else {
    if (ProfileOf(unit, tray) == Profile::kCdRom) return Check(kIncompatibleFormat);
    if (cdb[6] != 0 && format == kPhysical) return Check(kInvalidField);  // of one layer
    if (format != kPhysical && format != kCopyright && format != kManufacturing) {
      return Check(kInvalidField);
    }
    data.resize(format == kCopyright ? 4 + 4 : 2048 + 4);
    if (format == kPhysical) {
      data[4] = 1;     // DVD-ROM, version 1
      data[5] = 0x0f;  // 120 mm, no minimum rate
      data[6] = 1;     // one layer, embossed
      Put(data, 12, 4, unit.blocks - 1);
      Put(data, 16, 4, unit.blocks - 1);
    }
  }
  Put(data, 0, 2, data.size() - 2);
  return Answer(std::move(data), cdb.get(8, 2));
}

}  // namespace

Command ExecuteCdrom(const Cdb& cdb, const Unit& unit, Tray& tray) {
  switch (cdb[0]) {
    case 0x43:
      return ReadToc(cdb, unit);
    case 0x46:
      return Configuration(cdb, unit, tray);
    case kOpEventStatus:
      return EventStatus(cdb, unit, tray);
    case 0x51:
      return DiscInformation(cdb);
    case 0xad:
      return DvdStructure(cdb, unit, tray);
    case 0xbd:
      return MechanismStatus(cdb);
    default:
      return Check(kInvalidOpcode);
  }
}

}  // namespace davit::virtio::scsi
