// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The order in which QEMU prints the members of an object: it keeps them in a table of 512 buckets
// by a hash of the name (the one that TDB, the trivial database, uses) and prints bucket by bucket,
// the last added first within one. Order means nothing in JSON; being QEMU's makes replies
// comparable byte for byte. Found by comparing replies (tests/conformance).
#pragma once

#include <cstdint>
#include <string_view>

#include "schema/runtime/json/value.h"

namespace davit::json {

constexpr uint32_t MemberBucket(std::string_view name) {
  uint32_t sum = 0x238F13AFU * static_cast<uint32_t>(name.size());
  uint32_t shift = 0;
  for (const char c : name) {
    sum += static_cast<uint32_t>(static_cast<unsigned char>(c)) << shift;
    shift = (shift + 5) % 24;
  }
  return (1103515243U * sum + 12345U) % 512;
}

// Sorts by bucket; members of one bucket keep their order.
void OrderMembers(Object& object);

}  // namespace davit::json
