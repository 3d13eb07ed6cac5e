// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Which host pages are ballooned as a whole. The balloon counts in 4 KiB pages (virtio 1.2, 5.5.6);
// where guest RAM lies on larger host pages (hugetlbfs), a host page can be given back only when
// the guest has put each of its 4 KiB pages into the balloon. Holds a bitmap for each host page
// that is ballooned in part or whole: at most guest RAM / 32768 bytes. Pure; the caller's lock.
//
// A host page is named by the guest pages that lie on it. Its size alone does not tell them: pieces
// of RAM have pages of different sizes, and need not begin at a multiple of theirs.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
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

// A piece of guest RAM, all in units of kBalloonPage.
struct Backing {
  PageRange range;
  uint64_t offset = 0;  // of its first page in the host's mapping, which begins with a host page
  uint64_t host_page = 1;
};

// The guest pages on the host page of `page`, which lies in the piece. None: the piece holds it in
// part only.
std::optional<PageRange> HostPageOf(uint64_t page, const Backing& backing);

class PageTracker {
 public:
  // The page, one of the host page's, went into the balloon. True: the host page is now ballooned
  // as a whole. What was known of another host page with the same beginning is forgotten.
  bool Inflate(uint64_t page, const PageRange& host_page);
  void Deflate(uint64_t page, const PageRange& host_page);
  // Forgets the host pages that are not there any more.
  void Keep(const std::function<bool(const PageRange&)>& is_there);
  void Clear() { partial_.clear(); }

 private:
  struct HostPage {
    uint64_t pages = 0;
    std::vector<uint64_t> bits;
    uint64_t ballooned = 0;
  };
  std::unordered_map<uint64_t, HostPage> partial_;  // by first 4 KiB page
};

}  // namespace davit::virtio
