// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The netdevs of the process by id, the network cards that use them, and MAC addresses. Owner:
// control thread. Outlives the machine, whose cards hold back ends and rows of this.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vmm/backend/net/net_backend.h"
#include "vmm/control/net_control.h"
#include "vmm/machine/net/announcer.h"
#include "vmm/machine/net/open_netdev.h"
#include "vmm/virtio/net/net.h"

namespace davit::machine {

// A card as it is being made and while it is there.
struct NicRow {
  std::string id;      // of the device; empty: anonymous
  std::string name;    // the id, or "virtio-net-pci.0"
  std::string model;   // "virtio-net-pci"
  std::string path;    // of the object that NIC_RX_FILTER_CHANGED names
  std::string netdev;  // empty: none. Stays when the netdev is removed
  std::string netdev_type, netdev_info;
  unsigned queues = 1;
  virtio::net::MacAddress mac{};
  uint64_t age = 0;            // order of creation, with the netdevs
  virtio::Net* net = nullptr;  // set by who makes it
};

class Netdevs final : public control::NetControl {
 public:
  explicit Netdevs(NetdevContext context)
      : context_(std::move(context)),
        announcer_(context_.loop, [this](const auto& request) { AnnounceOnce(request); }) {}
  ~Netdevs() override;

  // --- for cards ---
  // Back ends call here: the loop that a card must live on.
  io::EventLoop& loop() const { return context_.loop; }
  struct NicRequest {
    std::string id, driver;
    std::optional<std::string> netdev;
    std::optional<virtio::net::MacAddress> mac;  // nullopt: the next free one
  };
  struct NewNic {
    std::shared_ptr<NicRow> row;  // goes from the list with the last reference
    backend::NetBackend* backend = nullptr;
    std::vector<virtio::vhost::Rings*> vhost = {};  // as NetConfig has it
    bool link_up = true;
  };
  // Error: no such netdev, or it has a card.
  Result<NewNic> AddNic(const NicRequest& request);
  // The guest has changed what the card takes.
  void RxFilterChanged(const NicRow& row) const;

  // What netdevs and cards there are without each other, for warnings at start:
  // "netdev x has no peer".
  std::vector<std::string> Unconnected() const;

  // --- control::NetControl ---
  Status NetdevAdd(const control::NetdevSpec& spec,
                   const control::NamedFdSource& named_fds) override;
  Status NetdevDel(const std::string& id) override;
  Status SetLink(const std::string& name, bool up) override;
  Result<std::vector<control::RxFilterInfo>> RxFilters(
      const std::optional<std::string>& name) override;
  std::vector<control::NetClientInfo> NetClients() const override;
  Status Announce(const control::AnnounceRequest& request) override {
    return announcer_.Start(request);
  }

 private:
  struct Netdev {
    std::unique_ptr<backend::NetBackend> backend;
    std::vector<std::unique_ptr<virtio::vhost::Rings>> vhost;
    uint64_t age = 0;
    bool link_up = true;
  };
  Netdev* Find(std::string_view id);
  NicRow* NicOf(std::string_view netdev);
  virtio::net::MacAddress NextMac() const;
  std::string NextName(const std::string& model) const;
  void Forget(NicRow* row);
  void AnnounceOnce(const control::AnnounceRequest& request) const;

  const NetdevContext context_;
  std::vector<Netdev> netdevs_;  // in order of creation
  std::vector<NicRow*> nics_;
  uint64_t next_age_ = 0;
  Announcer announcer_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace davit::machine
