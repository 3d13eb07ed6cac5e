// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What -blockdev and blockdev-add ask for: one node of the block graph as a plain value (QAPI
// BlockdevOptions, the drivers that davit has). A format is never guessed from an image's bytes:
// the driver is what the operator said.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace davit::backend {

enum class BlockDriver : uint8_t { kFile, kHostDevice, kRaw, kNullCo, kThrottle };
enum class DiscardMode : uint8_t { kIgnore, kUnmap };
enum class DetectZeroes : uint8_t { kOff, kOn, kUnmap };
enum class ImageLocking : uint8_t { kAuto, kOff, kOn };
// kAuto: io_uring where the kernel has it, else threads. kNative: past the page cache, so that the
// kernel is asynchronous throughout; io_uring serves it.
enum class AioMode : uint8_t { kAuto, kThreads, kNative, kIoUring };

// "file", "host_device", "raw", "null-co", "throttle"
std::string_view BlockDriverName(BlockDriver driver);

struct BlockNodeSpec {
  BlockDriver driver = BlockDriver::kFile;
  std::string node_name;  // empty: the graph makes one up ("#block001")
  bool read_only = false;
  bool auto_read_only = false;
  bool force_share = false;
  std::optional<bool> direct;    // cache.direct; a child given inline inherits it
  std::optional<bool> no_flush;  // cache.no-flush; likewise
  std::optional<DiscardMode> discard;
  DetectZeroes detect_zeroes = DetectZeroes::kOff;

  // file, host_device
  std::string filename;
  ImageLocking locking = ImageLocking::kAuto;
  AioMode aio = AioMode::kAuto;

  // raw, throttle: one of the two
  std::string file_node;                      // the name of a node that exists
  std::shared_ptr<const BlockNodeSpec> file;  // made along with this one
  std::string throttle_group;                 // throttle: its name
  uint64_t offset = 0;
  std::optional<uint64_t> size;

  // null-co
  uint64_t null_size = uint64_t{1} << 30;
  uint64_t latency_ns = 0;
  bool read_zeroes = false;
};

// A node given inline, with what it takes over from the one above it.
BlockNodeSpec Inherit(const BlockNodeSpec& parent, BlockNodeSpec child);

}  // namespace davit::backend
