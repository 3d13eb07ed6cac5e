// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See page_tracker.h.
#include "vmm/virtio/balloon/page_tracker.h"

#include <algorithm>

#include "vmm/base/units.h"

namespace davit::virtio {

std::vector<PageRange> MergePages(std::vector<uint32_t> pfns) {
  std::sort(pfns.begin(), pfns.end());
  std::vector<PageRange> ranges;
  for (const uint64_t pfn : pfns) {
    if (!ranges.empty()) {
      PageRange& last = ranges.back();
      const uint64_t end = last.first + last.pages;
      if (pfn < end) continue;  // twice
      if (pfn == end) {
        ++last.pages;
        continue;
      }
    }
    ranges.push_back({pfn, 1});
  }
  return ranges;
}

bool PageTracker::Inflate(uint64_t page, uint64_t host_pages) {
  const uint64_t first = AlignDown(page, host_pages);
  HostPage& host = partial_[first];
  if (host.bits.empty()) host.bits.resize((host_pages + 63) / 64);
  const uint64_t index = page - first;
  const uint64_t bit = uint64_t{1} << (index % 64);
  uint64_t& word = host.bits[index / 64];
  if ((word & bit) != 0) return false;
  word |= bit;
  return ++host.ballooned == host_pages;
}

void PageTracker::Deflate(uint64_t page, uint64_t host_pages) {
  const uint64_t first = AlignDown(page, host_pages);
  const auto it = partial_.find(first);
  if (it == partial_.end()) return;
  const uint64_t index = page - first;
  const uint64_t bit = uint64_t{1} << (index % 64);
  uint64_t& word = it->second.bits[index / 64];
  if ((word & bit) == 0) return;
  word &= ~bit;
  if (--it->second.ballooned == 0) partial_.erase(it);
}

}  // namespace davit::virtio
