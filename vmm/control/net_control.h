// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The network back ends (netdevs) and cards of the process as a control plane sees them. Names and
// meanings are QAPI's (net). Implemented by vmm/machine/net. Owner: control thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "vmm/base/error.h"
#include "vmm/base/unique_fd.h"
#include "vmm/control/types.h"

namespace davit::control {

// netdev_add / -netdev after the schema has typed its members; keys are QAPI's. Members of a nested
// object have dotted keys ("addr.path"); an element of a list of String is its text.
struct NetdevSpec {
  std::string type;  // QAPI NetClientDriver
  std::string id;
  std::vector<std::pair<std::string, PropertyValue>> properties;
};

// Gives a descriptor by its getfd name. Error: there is none.
using NamedFdSource = std::function<Result<UniqueFd>(const std::string& name)>;

// QAPI RxState.
enum class RxState : uint8_t { kNormal, kNone, kAll };

// QAPI RxFilterInfo.
struct RxFilterInfo {
  std::string name;
  bool promiscuous = false;
  RxState multicast = RxState::kNormal, unicast = RxState::kNormal, vlan = RxState::kAll;
  bool broadcast_allowed = true;
  bool multicast_overflow = false, unicast_overflow = false;
  std::string main_mac;
  std::vector<int64_t> vlan_table;
  std::vector<std::string> unicast_table, multicast_table;
};

// A line of "info network".
struct NetClientInfo {
  std::string name;
  unsigned index = 0;  // of the queue
  std::string type;    // "nic", "tap", ...
  std::string info;
  bool is_peer = false;  // of the line before
};

// QAPI AnnounceParameters, and what announce-self has beside. Times in milliseconds.
struct AnnounceRequest {
  int64_t initial = 0, max = 0, step = 0;
  int64_t rounds = 0;
  std::optional<std::vector<std::string>> interfaces;  // names of cards; nullopt: all
  std::string id;                                      // empty: the unnamed one
};

class NetControl {
 public:
  virtual ~NetControl() = default;
  // named_fds: for fd=NAME; empty: numbers only. Error: nothing was made.
  virtual Status NetdevAdd(const NetdevSpec& spec, const NamedFdSource& named_fds) = 0;
  // A card that has it loses its link.
  virtual Status NetdevDel(const std::string& id) = 0;
  // Of a card or of a netdev.
  virtual Status SetLink(const std::string& name, bool up) = 0;
  // Of one card, or of all that have a filter.
  virtual Result<std::vector<RxFilterInfo>> RxFilters(const std::optional<std::string>& name) = 0;
  virtual std::vector<NetClientInfo> NetClients() const = 0;
  // Cards tell the network where they are: now, then again as often as rounds= says. A request of
  // the same id ends the one before; without rounds it does only that. Error: a negative number.
  virtual Status Announce(const AnnounceRequest& request) = 0;
};

}  // namespace davit::control
