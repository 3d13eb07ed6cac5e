// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A structured argument as a value of the schema: the text form is decoded from strings, as QEMU's
// option visitor does, the JSON form is held to its types. Pure.
#pragma once

#include <utility>

#include "daemon/options/params.h"
#include "schema/qapi/codecs.h"
#include "vmm/base/error.h"

namespace davit::daemon {

// A key that was given several times is a list.
json::Object ToObject(const ParamList& list);
// The option visitor's word for a key that nothing has taken.
Error AsOptionError(Error error);

template <typename T>
Result<T> DecodeOptions(const ParamList& list) {
  if (list.json) return qapi::Decode<T>(*list.json);
  Result<T> options = qapi::Decode<T>(ToObject(list), {}, qapi::DecodeMode::kOptions);
  if (!options) return Fail(AsOptionError(std::move(options).error()));
  return options;
}

}  // namespace davit::daemon
