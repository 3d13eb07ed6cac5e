// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See netdevs.h.
#include "vmm/machine/net/netdevs.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace davit::machine {
namespace {

using virtio::net::MacAddress;

// The range that cards without mac= get theirs from, as QEMU has it.
constexpr MacAddress kFirstMac = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};

std::string MacText(const MacAddress& mac) {
  return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", mac[0], mac[1], mac[2], mac[3],
                     mac[4], mac[5]);
}

std::vector<std::string> MacTexts(const std::vector<MacAddress>& macs) {
  std::vector<std::string> texts;
  texts.reserve(macs.size());
  for (const MacAddress& mac : macs) texts.push_back(MacText(mac));
  return texts;
}

control::RxState StateOf(bool none, bool all) {
  return none ? control::RxState::kNone : all ? control::RxState::kAll : control::RxState::kNormal;
}

control::RxFilterInfo ToInfo(const NicRow& row) {
  const virtio::Net::RxFilterInfo state = row.net->RxFilterState();
  const virtio::net::RxFilter& filter = state.filter;
  control::RxFilterInfo info;
  info.name = row.name;
  info.promiscuous = filter.promiscuous;
  info.unicast = StateOf(filter.no_unicast, filter.all_unicast);
  info.multicast = StateOf(filter.no_multicast, filter.all_multicast);
  // In QEMU 7.2 the member says whether broadcast is off.
  info.broadcast_allowed = filter.no_broadcast;
  info.multicast_overflow = filter.multicast_overflow;
  info.unicast_overflow = filter.unicast_overflow;
  info.main_mac = MacText(filter.main_mac);
  info.unicast_table = MacTexts(filter.unicast);
  info.multicast_table = MacTexts(filter.multicast);
  // Without the feature all VLANs pass, and QEMU lists each; highest first.
  info.vlan = filter.vlan_filtering ? control::RxState::kNormal : control::RxState::kAll;
  for (size_t vlan = filter.vlans.size(); vlan-- > 0;) {
    if (!filter.vlan_filtering || filter.vlans[vlan]) {
      info.vlan_table.push_back(static_cast<int64_t>(vlan));
    }
  }
  return info;
}

tl::unexpected<Error> NotFound(const std::string& name) {
  return Fail(Error{ErrorCode::kDeviceNotFound, fmt::format("Device '{}' not found", name), {}});
}

}  // namespace

Netdevs::~Netdevs() = default;

Netdevs::Netdev* Netdevs::Find(std::string_view id) {
  const auto it = std::find_if(netdevs_.begin(), netdevs_.end(),
                               [&](const Netdev& netdev) { return netdev.backend->id() == id; });
  return it == netdevs_.end() ? nullptr : &*it;
}

NicRow* Netdevs::NicOf(std::string_view netdev) {
  // The last: an earlier one may have had a netdev of the same id that was removed.
  const auto it = std::find_if(nics_.rbegin(), nics_.rend(),
                               [&](const NicRow* row) { return row->netdev == netdev; });
  return it == nics_.rend() ? nullptr : *it;
}

// --- cards
// ---------------------------------------------------------------------------------------------

MacAddress Netdevs::NextMac() const {
  MacAddress mac = kFirstMac;
  const auto taken = [&] {
    return std::any_of(nics_.begin(), nics_.end(),
                       [&](const NicRow* row) { return row->mac == mac; });
  };
  for (unsigned i = 0; i < 256 && taken(); ++i) ++mac.back();
  return mac;
}

// As QEMU counts: each queue of a card of this model is one.
std::string Netdevs::NextName(const std::string& model) const {
  unsigned count = 0;
  for (const NicRow* row : nics_) {
    if (row->model == model) count += row->queues;
  }
  return fmt::format("{}.{}", model, count);
}

Result<Netdevs::NewNic> Netdevs::AddNic(const NicRequest& request) {
  NewNic made;
  auto row = std::make_unique<NicRow>();
  row->id = request.id;
  row->model = request.driver;
  row->name = request.id.empty() ? NextName(request.driver) : request.id;
  row->age = next_age_++;
  row->mac = request.mac.value_or(MacAddress{});
  if (row->mac == MacAddress{}) row->mac = NextMac();
  if (request.netdev) {
    Netdev* const netdev = Find(*request.netdev);
    const auto property = [&](const char* what) {
      return Fail(
          fmt::format("Property 'virtio-net-device.netdev' can't {} '{}'", what, *request.netdev));
    };
    if (netdev == nullptr) return property("find value");
    if (const NicRow* user = NicOf(*request.netdev); user != nullptr && user->netdev_type.empty()) {
      return Fail(
          fmt::format("Property 'virtio-net-device.netdev' can't take value '{}', it's in use",
                      *request.netdev));
    }
    made.backend = netdev->backend.get();
    for (const auto& rings : netdev->vhost) made.vhost.push_back(rings.get());
    made.link_up = netdev->link_up;
    row->netdev = *request.netdev;
    row->queues = made.backend->queues();
  }
  nics_.push_back(row.get());
  made.row = std::shared_ptr<NicRow>(row.release(),
                                     [this, alive = std::weak_ptr<bool>(alive_)](NicRow* gone) {
                                       if (!alive.expired()) Forget(gone);
                                       delete gone;
                                     });
  return made;
}

void Netdevs::Forget(NicRow* row) { std::erase(nics_, row); }

void Netdevs::RxFilterChanged(const NicRow& row) const {
  if (context_.emit) context_.emit(control::NicRxFilterEvent{row.id, row.path});
}

std::vector<std::string> Netdevs::Unconnected() const {
  std::vector<std::string> texts;
  for (const Netdev& netdev : netdevs_) {
    const bool used = std::any_of(nics_.begin(), nics_.end(), [&](const NicRow* row) {
      return row->netdev == netdev.backend->id();
    });
    if (!used) texts.push_back(fmt::format("netdev {} has no peer", netdev.backend->id()));
  }
  for (const NicRow* row : nics_) {
    if (row->netdev.empty()) texts.push_back(fmt::format("nic {} has no peer", row->name));
  }
  return texts;
}

// --- control::NetControl
// -------------------------------------------------------------------------------

Status Netdevs::NetdevAdd(const control::NetdevSpec& spec,
                          const control::NamedFdSource& named_fds) {
  if (Find(spec.id) != nullptr) return Fail(fmt::format("Duplicate ID '{}'", spec.id));
  DAVIT_ASSIGN(OpenedNetdev opened, OpenNetdev(context_, spec, named_fds));
  netdevs_.push_back({std::move(opened.backend), std::move(opened.vhost), next_age_++});
  return {};
}

Status Netdevs::NetdevDel(const std::string& id) {
  Netdev* const netdev = Find(id);
  if (netdev == nullptr) return NotFound(id);
  if (NicRow* const row = NicOf(id); row != nullptr && row->netdev_type.empty()) {
    // "info network" goes on to show it.
    row->netdev_type = netdev->backend->type();
    row->netdev_info = netdev->backend->info();
    if (row->net != nullptr) row->net->LoseBackend();
  }
  netdevs_.erase(netdevs_.begin() + (netdev - netdevs_.data()));
  return {};
}

Status Netdevs::SetLink(const std::string& name, bool up) {
  for (NicRow* const row : nics_) {
    if (row->name != name) continue;
    if (row->net != nullptr) row->net->SetLink(up);
    return {};
  }
  Netdev* const netdev = Find(name);
  if (netdev == nullptr) return NotFound(name);
  netdev->link_up = up;
  NicRow* const row = NicOf(name);
  if (row != nullptr && row->net != nullptr) row->net->SetLink(up);
  return {};
}

Result<std::vector<control::RxFilterInfo>> Netdevs::RxFilters(
    const std::optional<std::string>& name) {
  std::vector<control::RxFilterInfo> infos;
  for (const NicRow* row : nics_) {
    if ((name && row->name != *name) || row->net == nullptr) continue;
    infos.push_back(ToInfo(*row));
  }
  if (!name || !infos.empty()) return infos;
  if (Find(*name) != nullptr) return Fail(fmt::format("net client({}) isn't a NIC", *name));
  return Fail(fmt::format("invalid net client name: {}", *name));
}

void Netdevs::AnnounceOnce(const control::AnnounceRequest& request) const {
  for (const NicRow* row : nics_) {
    const auto& only = request.interfaces;
    const bool wanted = !only || std::find(only->begin(), only->end(), row->name) != only->end();
    if (wanted && row->net != nullptr) row->net->Announce();
  }
}

namespace {

// "virtio-net-pci.3": the second queue of "virtio-net-pci.2".
std::string NameOfQueue(const NicRow& row, unsigned queue) {
  if (!row.id.empty() || queue == 0) return row.name;
  const unsigned number = static_cast<unsigned>(std::stoul(row.name.substr(row.model.size() + 1)));
  return fmt::format("{}.{}", row.model, number + queue);
}

}  // namespace

std::vector<control::NetClientInfo> Netdevs::NetClients() const {
  std::map<uint64_t, std::vector<control::NetClientInfo>> by_age;
  for (const Netdev& netdev : netdevs_) {
    const backend::NetBackend& backend = *netdev.backend;
    const bool used = std::any_of(nics_.begin(), nics_.end(), [&](const NicRow* row) {
      return row->netdev == backend.id() && row->netdev_type.empty();
    });
    if (used) continue;
    for (unsigned i = 0; i < backend.queues(); ++i) {
      by_age[netdev.age].push_back({backend.id(), i, backend.type(), backend.info()});
    }
  }
  for (const NicRow* row : nics_) {
    std::string type = row->netdev_type, info = row->netdev_info;
    for (const Netdev& netdev : netdevs_) {
      if (!row->netdev_type.empty() || netdev.backend->id() != row->netdev) continue;
      type = netdev.backend->type();
      info = netdev.backend->info();
    }
    auto& lines = by_age[row->age];
    for (unsigned i = 0; i < row->queues; ++i) {
      const std::string text =
          i == 0 ? fmt::format("model={},macaddr={}", row->model, MacText(row->mac)) : "";
      lines.push_back({NameOfQueue(*row, i), i, "nic", text});
      if (!row->netdev.empty()) lines.push_back({row->netdev, i, type, info, true});
    }
  }
  std::vector<control::NetClientInfo> clients;
  for (const auto& [age, lines] : by_age) clients.insert(clients.end(), lines.begin(), lines.end());
  return clients;
}

}  // namespace davit::machine
