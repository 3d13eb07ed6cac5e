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

std::optional<PageRange> HostPageOf(uint64_t page, const Backing& backing) {
  const uint64_t index = page - backing.range.first;
  const uint64_t lead = (backing.offset + index) % backing.host_page;  // pages before it on its own
  if (lead > index || backing.host_page > backing.range.pages - (index - lead)) return std::nullopt;
  return PageRange{page - lead, backing.host_page};
}

bool PageTracker::Inflate(uint64_t page, const PageRange& host_page) {
  HostPage& host = partial_[host_page.first];
  if (host.pages != host_page.pages) {
    host = {host_page.pages, std::vector<uint64_t>((host_page.pages + 63) / 64), 0};
  }
  const uint64_t index = page - host_page.first;
  const uint64_t bit = uint64_t{1} << (index % 64);
  uint64_t& word = host.bits[index / 64];
  if ((word & bit) != 0) return false;
  word |= bit;
  return ++host.ballooned == host.pages;
}

void PageTracker::Deflate(uint64_t page, const PageRange& host_page) {
  const auto it = partial_.find(host_page.first);
  if (it == partial_.end() || it->second.pages != host_page.pages) return;
  const uint64_t index = page - host_page.first;
  const uint64_t bit = uint64_t{1} << (index % 64);
  uint64_t& word = it->second.bits[index / 64];
  if ((word & bit) == 0) return;
  word &= ~bit;
  if (--it->second.ballooned == 0) partial_.erase(it);
}

void PageTracker::Keep(const std::function<bool(const PageRange&)>& is_there) {
  std::erase_if(partial_, [&](const auto& entry) {
    return !is_there(PageRange{entry.first, entry.second.pages});
  });
}

}  // namespace davit::virtio
