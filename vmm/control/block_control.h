// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The block nodes and disks of the process as a control plane sees them: -blockdev, -drive and the
// block commands. Names and meanings are QAPI's (block-core). Implemented by vmm/machine/block.
// Owner: control thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vmm/base/error.h"

namespace davit::control {

enum class BlockDriver : uint8_t { kFile, kHostDevice, kRaw, kNullCo, kThrottle };
enum class BlockDiscard : uint8_t { kIgnore, kUnmap };
enum class BlockDetectZeroes : uint8_t { kOff, kOn, kUnmap };
enum class BlockLocking : uint8_t { kAuto, kOff, kOn };
enum class BlockAio : uint8_t { kAuto, kThreads, kNative, kIoUring };
enum class BlockErrorPolicy : uint8_t { kAuto, kReport, kIgnore, kEnospc, kStop };
enum class BlockIoStatus : uint8_t { kOk, kFailed, kNoSpace };

// QAPI BlockdevOptions.
struct BlockNodeSpec {
  BlockDriver driver = BlockDriver::kFile;
  std::string node_name;  // empty: made up
  bool read_only = false;
  bool auto_read_only = false;
  bool force_share = false;
  std::optional<bool> direct, no_flush;  // cache.*
  std::optional<BlockDiscard> discard;
  BlockDetectZeroes detect_zeroes = BlockDetectZeroes::kOff;
  // file, host_device
  std::string filename;
  BlockLocking locking = BlockLocking::kAuto;
  BlockAio aio = BlockAio::kAuto;
  // raw, throttle: one of file_node (a node that exists) and file
  std::string file_node;
  std::shared_ptr<const BlockNodeSpec> file;
  std::string throttle_group;  // throttle
  uint64_t offset = 0;
  std::optional<uint64_t> size;
  // null-co
  uint64_t null_size = uint64_t{1} << 30;
  uint64_t latency_ns = 0;
  bool read_zeroes = false;
};

struct BlockLimit {
  int64_t average = 0, max = 0, length = 1;
};
// QAPI BlockIOThrottle.
struct BlockLimits {
  BlockLimit bps, bps_read, bps_write, iops, iops_read, iops_write;
  int64_t iops_size = 0;
  std::string group;  // to set: empty: as before, or the disk's own
};

// -drive
struct DriveSpec {
  std::string id;
  bool id_made_up = false;  // none was given: free again when drive_del takes the name
  bool empty = false;       // no medium; of `node`, read_only alone counts
  BlockNodeSpec node;
  BlockErrorPolicy rerror = BlockErrorPolicy::kAuto;
  BlockErrorPolicy werror = BlockErrorPolicy::kAuto;
  bool write_cache = true;
  BlockLimits limits;
};

struct BlockNodeInfo {
  std::string name;
  std::string driver;    // "file"
  std::string filename;  // or "json:{...}"
  bool read_only = false;
  BlockDetectZeroes detect_zeroes = BlockDetectZeroes::kOff;
  bool direct = false, no_flush = false;
  uint64_t virtual_size = 0, actual_size = 0;
  bool has_dirty_flag = false;  // which is then false
  uint64_t wr_highest_offset = 0;
  struct FileStats {
    uint64_t discard_ok = 0, discard_failed = 0, discard_bytes_ok = 0;
  };
  std::optional<FileStats> file_stats;
  std::vector<BlockNodeInfo> child;  // none or one
};

struct BlockCounters {
  uint64_t bytes = 0, operations = 0, time_ns = 0, failed = 0, invalid = 0;
};

struct BlockDiskInfo {
  std::string device;  // of -drive; may be empty
  std::string qdev;    // the id of the device, or its object path; empty: no device
  bool removable = false;
  std::optional<bool> tray_open;  // of a device with a tray
  bool locked = false;            // by the guest
  std::optional<BlockIoStatus> io_status;
  bool write_cache = true;
  std::optional<BlockNodeInfo> node;  // nullopt: no medium
  std::optional<BlockLimits> limits;  // of what is in
  BlockCounters read, write, flush, unmap;
  int64_t idle_ns = -1;  // negative: nothing was done yet
};

// Which disk: exactly one of the two, as QAPI's commands have it.
struct BlockDiskName {
  std::optional<std::string> device;  // the id of a -drive
  std::optional<std::string> id;      // the id of a device, or its object path
};

// The medium that blockdev-change-medium puts in: an image by its path.
struct BlockMedium {
  enum class Mode : uint8_t { kRetain, kReadOnly, kReadWrite };
  std::string filename;
  std::optional<std::string> format;  // nullopt: raw; images are not looked at
  Mode mode = Mode::kRetain;          // kRetain: as the medium before
};

class BlockControl {
 public:
  virtual ~BlockControl() = default;
  virtual Status AddNode(const BlockNodeSpec& spec) = 0;
  virtual Status RemoveNode(const std::string& name) = 0;
  // Other options for nodes that there are: of all, or an error and of none.
  virtual Status ReopenNodes(const std::vector<BlockNodeSpec>& specs) = 0;
  virtual Status AddDrive(const DriveSpec& spec) = 0;
  // As -drive has it; of if=none alone. Error: QEMU's words.
  virtual Status AddDriveText(const std::string& text) = 0;
  // A device keeps the disk, without a medium.
  virtual Status RemoveDrive(const std::string& id) = 0;
  virtual std::vector<BlockNodeInfo> Nodes() const = 0;  // newest first
  virtual std::vector<BlockDiskInfo> Disks() const = 0;
  // By the id of a -drive or a node name.
  virtual Status Resize(const std::string& device, const std::string& node_name, int64_t size) = 0;
  virtual Status SetLimits(const BlockDiskName& disk, const BlockLimits& limits) = 0;

  // --- removable media; errors leave all as it was ---
  // Opens the tray of a device; one that the guest has locked only by force, else the guest is
  // asked, which is no error.
  virtual Status OpenTray(const BlockDiskName& disk, bool force) = 0;
  virtual Status CloseTray(const BlockDiskName& disk) = 0;
  // The tray is open, or there is no device.
  virtual Status InsertMedium(const BlockDiskName& disk, const std::string& node_name) = 0;
  virtual Status RemoveMedium(const BlockDiskName& disk) = 0;
  // OpenTray() and RemoveMedium(). Here a locked tray is an error, and the guest is asked all the
  // same.
  virtual Status Eject(const BlockDiskName& disk, bool force) = 0;
  // Eject(), another medium, CloseTray().
  virtual Status ChangeMedium(const BlockDiskName& disk, const BlockMedium& medium, bool force) = 0;
};

}  // namespace davit::control
