// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The generated decoders on any JSON value, in each mode. What one accepts must encode to something
// that it accepts as well and that encodes to the same text.
#include <cstdint>

#include "schema/qapi/codecs.h"
#include "schema/runtime/json/json.h"
#include "vmm/base/check.h"

namespace davit::qapi {
namespace {

template <typename T>
void Try(const json::Value& value) {
  for (const DecodeMode mode : {DecodeMode::kStrict, DecodeMode::kLenient, DecodeMode::kOptions}) {
    const Result<T> first = Decode<T>(value, "x", mode);
    if (!first) {
      DAVIT_CHECK(!first.error().message.empty());
      continue;
    }
    const json::Value encoded = Encode(*first);
    const Result<T> second = Decode<T>(encoded);
    DAVIT_CHECK(second.has_value());
    DAVIT_CHECK(json::Write(Encode(*second)) == json::Write(encoded));
  }
}

}  // namespace
}  // namespace davit::qapi

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace davit;  // NOLINT: a few names of one function
  const auto value = json::Parse({reinterpret_cast<const char*>(data), size});
  if (!value) return 0;
  qapi::Try<qapi::ObjectOptions>(*value);
  qapi::Try<qapi::SetActionArgs>(*value);
  qapi::Try<qapi::QmpCapabilitiesArgs>(*value);
  qapi::Try<qapi::AddFdArgs>(*value);
  qapi::Try<qapi::GuestPanickedEventArgs>(*value);
  qapi::Try<qapi::CpuInfoFast>(*value);
  qapi::Try<std::vector<qapi::SchemaInfo>>(*value);
  qapi::Try<std::vector<qapi::CommandLineOptionInfo>>(*value);
  return 0;
}
