// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A virtio-scsi host under qtest: CDBs, commands on its request queues and what came of them, for
// the tests of disks and of media. Sense data is key, ASC and ASCQ as 0xKKAACC.
#pragma once

#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/virtio/virtio.h"
#include "vmm/virtio/scsi/wire.h"

namespace davit::qtest {

struct ScsiBoard {
  const char* machine;
  const char* driver;
};

inline uint64_t Be(std::string_view bytes, size_t at, size_t size) {
  uint64_t value = 0;
  for (size_t i = at; i < at + size && i < bytes.size(); ++i) {
    value = value << 8 | static_cast<uint8_t>(bytes[i]);
  }
  return value;
}

// A CDB: the operation, then fields at their offsets, big-endian.
struct Cdb {
  explicit Cdb(uint8_t operation) { bytes[0] = operation; }
  Cdb& Set(size_t at, size_t size, uint64_t value) {
    for (size_t i = size; i-- > 0; value >>= 8) bytes[at + i] = static_cast<uint8_t>(value);
    return *this;
  }
  std::array<uint8_t, virtio::scsi::kDefaultCdbSize> bytes{};
};
inline Cdb TestUnitReady() { return Cdb(0x00); }
inline Cdb Inquiry(uint16_t room = 96) { return Cdb(0x12).Set(3, 2, room); }
inline Cdb Read10(uint32_t lba, uint16_t n) { return Cdb(0x28).Set(2, 4, lba).Set(7, 2, n); }
inline Cdb Write10(uint32_t lba, uint16_t n) { return Cdb(0x2a).Set(2, 4, lba).Set(7, 2, n); }

struct Outcome {
  int response = -1;  // -1: it did not come back
  int status = -1;
  uint32_t sense = 0;
  uint32_t residual = 0;
  std::string data;
  bool good() const { return response == virtio::scsi::kOk && status == 0; }
};
inline constexpr uint32_t kSenseInvalidField = 0x052400, kSensePowerOn = 0x062900;

// Header and CDB in one buffer, which QEMU insists on without VIRTIO_F_ANY_LAYOUT.
struct ScsiHead {
  virtio::scsi::CommandHeader header;
  std::array<uint8_t, virtio::scsi::kDefaultCdbSize> cdb;
};
static_assert(sizeof(ScsiHead) == 51);

// The driver's side of the host device.
class ScsiDriver {
 public:
  explicit ScsiDriver(Machine& machine) : device_(FindVirtio(machine, virtio::kIdScsi)) {}
  Virtio& device() { return *device_; }

  static Request Command(const Cdb& cdb, virtio::scsi::LunAddress lun, std::string_view out,
                         uint32_t in) {
    ScsiHead head{{}, cdb.bytes};
    head.header.lun = lun;
    head.header.tag = 1;
    Request request;
    request.Struct(head);
    if (!out.empty()) request.Readable(out);
    request.Writable(sizeof(virtio::scsi::CommandResponse) + virtio::scsi::kDefaultSenseSize);
    if (in != 0) request.Writable(in);
    return request;
  }
  Outcome Run(const Cdb& cdb, std::string_view out, uint32_t in, virtio::scsi::LunAddress lun,
              uint16_t queue = virtio::scsi::kFirstRequestQueue) {
    return Parse(device_->queue(queue).Do(Command(cdb, lun, out, in)));
  }
  static Outcome Parse(const std::optional<Used>& used) {
    constexpr size_t kHead = sizeof(virtio::scsi::CommandResponse);
    if (!used || used->bytes.size() < kHead) return {};
    virtio::scsi::CommandResponse head;
    std::memcpy(&head, used->bytes.data(), kHead);
    Outcome outcome{head.response, head.status, 0, head.residual, ""};
    const std::string text = used->text();
    if (head.sense_bytes >= 14) {
      outcome.sense =
          static_cast<uint32_t>((Be(text, kHead + 2, 1) & 0xf) << 16 | Be(text, kHead + 12, 2));
    }
    if (text.size() > kHead + virtio::scsi::kDefaultSenseSize) {
      outcome.data = text.substr(kHead + virtio::scsi::kDefaultSenseSize);
    }
    return outcome;
  }

 private:
  std::unique_ptr<Virtio> device_;
};

}  // namespace davit::qtest
