// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See control.h.
#include "vmm/virtio/net/control.h"

#include <utility>

namespace davit::virtio::net {
namespace {

bool ServeRx(Reader& reader, uint8_t command, uint64_t features, RxFilter& filter) {
  const uint64_t needed = command <= kRxAllMulti ? kCtrlRx : kCtrlRxExtra;
  if ((features & needed) == 0) return false;
  const auto on = reader.Read<uint8_t>();
  if (!on) return false;
  bool* const modes[] = {&filter.promiscuous,  &filter.all_multicast, &filter.all_unicast,
                         &filter.no_multicast, &filter.no_unicast,    &filter.no_broadcast};
  static_assert(std::size(modes) == kRxNoBcast + 1);
  if (command >= std::size(modes)) return false;
  *modes[command] = *on != 0;
  return true;
}

struct Table {
  std::vector<MacAddress> addresses;
  bool overflow = false;
};

// le32 count, then addresses. `room`: how many may be kept; what comes beyond is read over.
bool ReadTable(Reader& reader, size_t room, Table& table) {
  const auto count = reader.Read<le32>();
  if (!count) return false;
  const uint64_t bytes = uint64_t{*count} * sizeof(MacAddress);
  if (bytes > reader.remaining()) return false;
  if (*count > room) {
    table.overflow = true;
    return reader.Skip(bytes).has_value();
  }
  table.addresses.resize(*count);
  return reader.Read(std::as_writable_bytes(std::span(table.addresses))).has_value();
}

bool ServeMac(Reader& reader, uint8_t command, uint64_t features, RxFilter& filter,
              ControlTarget& target) {
  if (command == kMacAddrSet) {
    if ((features & kCtrlMacAddr) == 0 || reader.remaining() != sizeof(MacAddress)) return false;
    const auto mac = reader.Read<MacAddress>();
    if (!mac) return false;
    filter.main_mac = *mac;
    target.SetMac(*mac);
    return true;
  }
  if (command != kMacTableSet || (features & kCtrlRx) == 0) return false;
  Table unicast, multicast;
  if (!ReadTable(reader, RxFilter::kMaxAddresses, unicast)) return false;
  if (!ReadTable(reader, RxFilter::kMaxAddresses - unicast.addresses.size(), multicast)) {
    return false;
  }
  if (reader.remaining() != 0) return false;
  filter.unicast = std::move(unicast.addresses);
  filter.unicast_overflow = unicast.overflow;
  filter.multicast = std::move(multicast.addresses);
  filter.multicast_overflow = multicast.overflow;
  return true;
}

bool ServeVlan(Reader& reader, uint8_t command, uint64_t features, RxFilter& filter) {
  if ((features & kCtrlVlan) == 0 || command > kVlanDel) return false;
  const auto vlan = reader.Read<le16>();
  if (!vlan || *vlan >= RxFilter::kVlans) return false;
  filter.vlans[*vlan] = command == kVlanAdd;
  return true;
}

bool ServeMq(Reader& reader, uint8_t command, uint64_t features, ControlTarget& target) {
  if ((features & kMq) == 0 || command != kMqPairsSet) return false;
  const auto pairs = reader.Read<le16>();
  return pairs && target.SetQueuePairs(*pairs);
}

bool ServeGuestOffloads(Reader& reader, uint8_t command, uint64_t features, ControlTarget& target) {
  if ((features & kCtrlGuestOffloads) == 0 || command != kGuestOffloadsSet) return false;
  const auto offloads = reader.Read<le64>();
  if (!offloads) return false;
  // Only what was negotiated can be switched (5.1.6.5.6).
  constexpr uint64_t kAll = kGuestCsum | kGuestTso4 | kGuestTso6 | kGuestEcn | kGuestUfo;
  if ((*offloads & ~(features & kAll)) != 0) return false;
  return target.SetGuestOffloads(*offloads);
}

bool Serve(Reader& reader, uint64_t features, RxFilter& filter, ControlTarget& target) {
  const auto header = reader.Read<ControlHeader>();
  if (!header) return false;
  switch (header->cls) {
    case kClassRx:
      if (!ServeRx(reader, header->command, features, filter)) return false;
      break;
    case kClassMac:
      if (!ServeMac(reader, header->command, features, filter, target)) return false;
      break;
    case kClassVlan:
      if (!ServeVlan(reader, header->command, features, filter)) return false;
      break;
    case kClassAnnounce:
      return (features & kGuestAnnounce) != 0 && header->command == kAnnounceAck &&
             target.AcknowledgeAnnounce();
    case kClassMq:
      return ServeMq(reader, header->command, features, target);
    case kClassGuestOffloads:
      return ServeGuestOffloads(reader, header->command, features, target);
    default:
      return false;
  }
  target.FilterChanged();
  return true;
}

}  // namespace

uint8_t ServeControl(Reader reader, uint64_t features, RxFilter& filter, ControlTarget& target) {
  return Serve(reader, features, filter, target) ? kControlOk : kControlError;
}

}  // namespace davit::virtio::net
