// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Which host pages are ballooned as a whole. The balloon counts in 4 KiB pages (virtio 1.2, 5.5.6);
// where guest RAM lies on larger host pages (hugetlbfs), a host page can be given back only when
// the guest has put each of its 4 KiB pages into the balloon. Holds a bitmap for each host page
// that is ballooned in part or whole: at most guest RAM / 32768 bytes. Pure; the caller's lock.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

namespace davit::virtio {

inline constexpr uint64_t kBalloonPage = 4096;  // bytes, whatever the host's pages are

// [first, first + pages) in units of kBalloonPage.
struct PageRange {
  uint64_t first = 0;
  uint64_t pages = 0;
  friend bool operator==(const PageRange&, const PageRange&) = default;
};

// Sorted, neighbours merged, duplicates gone.
std::vector<PageRange> MergePages(std::vector<uint32_t> pfns);

class PageTracker {
 public:
  // The page went into the balloon; host_pages: 4 KiB pages in its host page, a power of two above
  // 1. True: its host page is now ballooned as a whole.
  bool Inflate(uint64_t page, uint64_t host_pages);
  void Deflate(uint64_t page, uint64_t host_pages);
  void Clear() { partial_.clear(); }

 private:
  struct HostPage {
    std::vector<uint64_t> bits;
    uint64_t ballooned = 0;
  };
  std::unordered_map<uint64_t, HostPage> partial_;  // by first 4 KiB page
};

}  // namespace davit::virtio
