// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// qapi/net.json.
#include <algorithm>

#include "qmp/handlers/netdev_spec.h"
#include "qmp/handlers/parts.h"

namespace davit::qmp {
namespace {

bool IsWellFormedId(const std::string& id) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  return !id.empty() && is_letter(id[0]) && std::all_of(id.begin(), id.end(), [&](char c) {
    return is_letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
  });
}

qapi::RxState ToQapi(control::RxState state) { return static_cast<qapi::RxState>(state); }
static_assert(static_cast<int>(qapi::RxState::kAll) == static_cast<int>(control::RxState::kAll));

qapi::RxFilterInfo ToQapi(const control::RxFilterInfo& info) {
  return {.name = info.name,
          .promiscuous = info.promiscuous,
          .multicast = ToQapi(info.multicast),
          .unicast = ToQapi(info.unicast),
          .vlan = ToQapi(info.vlan),
          .broadcast_allowed = info.broadcast_allowed,
          .multicast_overflow = info.multicast_overflow,
          .unicast_overflow = info.unicast_overflow,
          .main_mac = info.main_mac,
          .vlan_table = info.vlan_table,
          .unicast_table = info.unicast_table,
          .multicast_table = info.multicast_table};
}

}  // namespace

Status NetHandlers::SetLink(Context&, const qapi::SetLinkArgs& args) {
  return net_.SetLink(args.name, args.up);
}

Status NetHandlers::NetdevAdd(Context& context, const qapi::Netdev& args) {
  if (!IsWellFormedId(args.id)) return Fail("Parameter 'id' expects an identifier");
  return net_.NetdevAdd(ToNetdevSpec(args), [&context](const std::string& name) {
    return context.named_fds().Take(name);
  });
}

Status NetHandlers::NetdevDel(Context&, const qapi::NetdevDelArgs& args) {
  return net_.NetdevDel(args.id);
}

Status NetHandlers::AnnounceSelf(Context&, const qapi::AnnounceParameters& args) {
  return net_.Announce({.initial = args.initial,
                        .max = args.max,
                        .step = args.step,
                        .rounds = args.rounds,
                        .interfaces = args.interfaces,
                        .id = args.id.value_or("")});
}

Result<std::vector<qapi::RxFilterInfo>> NetHandlers::QueryRxFilter(
    Context&, const qapi::QueryRxFilterArgs& args) {
  DAVIT_ASSIGN(const auto infos, net_.RxFilters(args.name));
  std::vector<qapi::RxFilterInfo> rows;
  for (const control::RxFilterInfo& info : infos) rows.push_back(ToQapi(info));
  return rows;
}

}  // namespace davit::qmp
