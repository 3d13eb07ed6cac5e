// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See parse.h.
#include "vmm/virtio/block/parse.h"

namespace davit::virtio::block {
namespace {

constexpr uint64_t kSector = 512;
constexpr uint64_t kMaxBytes = uint64_t{INT32_MAX} & ~(kSector - 1);

// [sector, sector + bytes) on whole blocks of the disk?
bool InRange(uint64_t sector, uint64_t bytes, const Limits& limits) {
  if (bytes > kMaxBytes || bytes % limits.block_size != 0) return false;
  if (sector > limits.capacity / kSector) return false;
  const uint64_t offset = sector * kSector;
  return offset % limits.block_size == 0 && bytes <= limits.capacity - offset;
}

Request Refused(Request request, uint8_t status, bool invalid = false) {
  request.status = status;
  request.invalid = invalid;
  return request;
}

Request Transfer(Request request, uint64_t sector, const Limits& limits) {
  if (request.kind == Kind::kWrite && limits.read_only) return Refused(request, kStatusIoError);
  if (!InRange(sector, request.bytes, limits)) return Refused(request, kStatusIoError, true);
  request.offset = sector * kSector;
  return request;
}

// kDiscard and kWriteZeroes: one range, as the configuration space says.
Result<Request> Ranged(Request request, Reader& reader, const Limits& limits) {
  const bool zeroes = request.kind == Kind::kWriteZeroes;
  if (!(zeroes ? limits.write_zeroes : limits.discard)) {
    return Refused(request, kStatusUnsupported);
  }
  if (reader.remaining() > sizeof(Range)) return Refused(request, kStatusUnsupported);
  if (reader.remaining() < sizeof(Range)) return Refused(request, kStatusIoError, true);
  if (limits.read_only) return Refused(request, kStatusIoError);
  DAVIT_ASSIGN(const Range range, reader.Read<Range>());
  const uint32_t flags = range.flags;
  if (flags & ~(zeroes ? kRangeUnmap : 0u)) return Refused(request, kStatusUnsupported);
  const uint32_t most = zeroes ? limits.max_write_zeroes_sectors : limits.max_discard_sectors;
  request.bytes = uint64_t{range.sectors} * kSector;
  if (range.sectors > most || !InRange(range.sector, request.bytes, limits)) {
    return Refused(request, kStatusIoError, true);
  }
  request.offset = uint64_t{range.sector} * kSector;
  request.unmap = (flags & kRangeUnmap) != 0;
  return request;
}

}  // namespace

bool Fits(const Request& request, const Limits& limits) {
  return request.bytes <= limits.capacity && request.offset <= limits.capacity - request.bytes;
}

Result<Request> Parse(const DescriptorChain& chain, const Limits& limits) {
  if (chain.writable_bytes() < 1) return Fail("a block request without a byte for its status");
  if (chain.readable_bytes() < sizeof(Header)) {
    return Fail("a block request without a whole header");
  }
  Reader reader = chain.reader();
  DAVIT_ASSIGN(const Header header, reader.Read<Header>());
  Request request;
  switch (header.type) {
    case kTypeIn:
      request.kind = Kind::kRead;
      request.bytes = chain.writable_bytes() - 1;
      return Transfer(request, header.sector, limits);
    case kTypeOut:
      request.kind = Kind::kWrite;
      request.bytes = reader.remaining();
      request.data_at = sizeof(Header);
      return Transfer(request, header.sector, limits);
    case kTypeFlush:
      request.kind = Kind::kFlush;
      return request;
    case kTypeGetId:
      request.kind = Kind::kGetId;
      request.bytes = chain.writable_bytes() - 1;
      return request;
    case kTypeDiscard:
      request.kind = Kind::kDiscard;
      return Ranged(request, reader, limits);
    case kTypeWriteZeroes:
      request.kind = Kind::kWriteZeroes;
      return Ranged(request, reader, limits);
    default:
      return Refused(request, kStatusUnsupported);
  }
}

}  // namespace davit::virtio::block
