// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See member_order.h.
#include "schema/runtime/json/member_order.h"

#include <algorithm>

namespace davit::json {

void OrderMembers(Object& object) {
  std::stable_sort(object.members().begin(), object.members().end(),
                   [](const Member& a, const Member& b) {
                     return MemberBucket(a.first) < MemberBucket(b.first);
                   });
}

}  // namespace davit::json
