// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See kvm_msi.h.
#include "vmm/irq/kvm_msi.h"

#include <sys/eventfd.h>

#include <mutex>
#include <optional>

#include "vmm/base/log.h"
#include "vmm/base/unique_fd.h"

namespace davit::irq {
namespace {

class KvmMsiRoute final : public MsiRoute {
 public:
  KvmMsiRoute(kvm::Vm& vm, GsiTable& table) : vm_(vm), table_(table) {}

  ~KvmMsiRoute() override {
    if (!gsi_) return;
    (void)vm_.RemoveIrqfd(fd_.get(), *gsi_);
    table_.Remove(*gsi_);
  }

  Status Set(MsiMessage message) override {
    const std::lock_guard lock(mutex_);
    if (message_ == message) return {};
    if (gsi_) {
      DAVIT_TRY(table_.Update(*gsi_, {message.address, message.data}));
    }
    message_ = message;
    return fd_ && !gsi_ ? Connect() : Status{};
  }

  void Trigger() override {
    std::optional<MsiMessage> message;
    {
      const std::lock_guard lock(mutex_);
      message = message_;
    }
    if (!message) return;
    // The address is the guest's choice: there may be no local APIC behind it.
    if (auto sent = vm_.SignalMsi({message->address, message->data}); !sent) {
      DAVIT_LOG_GUEST_ERROR("MSI: {}", sent.error().message);
    }
  }

  Result<int> event_fd() override {
    const std::lock_guard lock(mutex_);
    if (fd_) return fd_.get();
    UniqueFd fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    if (!fd) return FailErrno("eventfd");
    fd_ = std::move(fd);
    if (message_) {
      if (auto connected = Connect(); !connected) {
        fd_.reset();
        return Fail(connected.error());
      }
    }
    return fd_.get();
  }

 private:
  // mutex_ held; fd_ and message_ are there.
  Status Connect() {
    DAVIT_ASSIGN(const uint32_t gsi, table_.Add({message_->address, message_->data}));
    if (auto added = vm_.AddIrqfd(fd_.get(), gsi, -1); !added) {
      table_.Remove(gsi);
      return added;
    }
    gsi_ = gsi;
    return {};
  }

  kvm::Vm& vm_;
  GsiTable& table_;
  std::mutex mutex_;  // guards the rest
  std::optional<MsiMessage> message_;
  UniqueFd fd_;
  std::optional<uint32_t> gsi_;  // the route of fd_
};

}  // namespace

Result<std::unique_ptr<MsiRoute>> KvmMsi::NewRoute() {
  return std::make_unique<KvmMsiRoute>(vm_, table_);
}

}  // namespace davit::irq
