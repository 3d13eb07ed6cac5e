// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// json::Parse on any bytes. What it accepts must be written as text that it accepts again, and from
// the second round on nothing may change (the first one turns -0 and 3.0 into integers, as QEMU
// does).
#include <cstdint>

#include "schema/runtime/json/json.h"
#include "vmm/base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using davit::json::Parse;
  const davit::json::ParseLimits limits{.max_depth = 64, .max_bytes = 1 << 20};
  const auto value = Parse({reinterpret_cast<const char*>(data), size}, limits);
  if (!value) {
    DAVIT_CHECK(!value.error().message.empty());
    return 0;
  }
  const auto again = Parse(Write(*value), limits);
  DAVIT_CHECK(again.has_value());
  const std::string text = Write(*again);
  for (const char c : text) DAVIT_CHECK(c >= 0x20 && c < 0x7f);
  const auto third = Parse(WritePretty(*again), limits);
  DAVIT_CHECK(third.has_value() && *third == *again && Write(*third) == text);
  return 0;
}
