// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a block request, cut into buffers anywhere: what the parser lets through lies on the
// disk, on whole blocks, is allowed there and was negotiated.
#include <algorithm>
#include <memory>
#include <vector>

#include "tests/fuzz/devices/access_stream.h"
#include "vmm/base/check.h"
#include "vmm/base/units.h"
#include "vmm/memory/ram_block.h"
#include "vmm/virtio/block/parse.h"

namespace davit::virtio {
namespace {

constexpr uint64_t kRam = 64 * kKiB;

memory::GuestMemory Ram() {
  static const memory::GuestMemory ram = [] {
    memory::RamBlockOptions options;
    options.id = "ram";
    options.size = kRam;
    return *memory::GuestMemory::Create({{{0}, kRam, *memory::RamBlock::Create(options), 0}});
  }();
  return ram;
}

void CheckRequest(const block::Request& request, const block::Limits& limits,
                  const DescriptorChain& chain) {
  using block::Kind;
  if (request.status != block::kStatusOk || request.kind == Kind::kFlush) return;
  if (request.kind == Kind::kGetId) {
    DAVIT_CHECK(request.bytes == chain.writable_bytes() - 1);
    return;
  }
  DAVIT_CHECK(request.offset <= limits.capacity);
  DAVIT_CHECK(request.bytes <= limits.capacity - request.offset);
  DAVIT_CHECK((request.offset | request.bytes) % limits.block_size == 0);
  if (request.kind == Kind::kRead) {
    DAVIT_CHECK(request.bytes == chain.writable_bytes() - 1);
    return;
  }
  DAVIT_CHECK(!limits.read_only);
  DAVIT_CHECK(request.kind != Kind::kDiscard || limits.discard);
  DAVIT_CHECK(request.kind != Kind::kWriteZeroes || limits.write_zeroes);
  if (request.kind == Kind::kWrite) {
    DAVIT_CHECK(request.data_at + request.bytes == chain.readable_bytes());
  }
}

// A header that is right in most parts gets further than noise.
void PutHeader(fuzz::AccessStream& stream) {
  constexpr uint8_t kTypes[] = {0, 1, 4, 8, 11, 13, 2, 14};
  block::Header header{kTypes[stream.Next() & 7], uint32_t{0},
                       uint64_t{stream.Next()} << (stream.Next() & 63)};
  (void)Ram().Write<block::Header>({0}, header);
  block::Range range{uint64_t{stream.Next()} << (stream.Next() & 63),
                     uint32_t{stream.Next()} << (stream.Next() & 31), uint32_t{stream.Next()} & 3u};
  (void)Ram().Write<block::Range>({sizeof(header)}, range);
}

void RunOne(fuzz::AccessStream& stream) {
  PutHeader(stream);
  if (stream.Next() & 1) {
    for (uint64_t i = 0; i < 48; ++i) (void)Ram().Write<uint8_t>({i}, stream.Next());
  }
  const uint8_t how = stream.Next();
  block::Limits limits;
  limits.block_size = 512u << (how & 3);
  limits.capacity = uint64_t{stream.Next()} * limits.block_size;
  limits.read_only = how & 4;
  limits.discard = how & 8;
  limits.write_zeroes = how & 16;
  limits.max_discard_sectors = 1u << (stream.Next() & 31);
  limits.max_write_zeroes_sectors = 1u << (stream.Next() & 31);

  std::vector<Buffer> buffers;
  uint64_t at = 0;
  const size_t readable = stream.Next() % 6;
  const size_t all = readable + stream.Next() % 4;
  for (size_t i = 0; i < all; ++i) {
    const uint8_t size = stream.Next();
    const uint32_t length = size & 0x80 ? (size & 0x7fu) * 512 + (size & 1) : size + 1u;
    if (at + length > kRam || length == 0) break;
    buffers.push_back({{at}, length});
    at += length;
  }
  const size_t count = std::min(readable, buffers.size());
  const DescriptorChain chain(Ram(), 0, static_cast<uint16_t>(buffers.size()), buffers, count);
  const auto request = block::Parse(chain, limits);
  if (request) CheckRequest(*request, limits, chain);
}

}  // namespace
}  // namespace davit::virtio

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  davit::fuzz::AccessStream stream(data, size);
  while (!stream.done()) davit::virtio::RunOne(stream);
  return 0;
}
