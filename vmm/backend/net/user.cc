// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See user.h.
#include "vmm/backend/net/user.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <slirp/libslirp.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "vmm/base/log.h"

namespace davit::backend {
namespace {

// Frames that wait for the guest. The stack's TCP sends again what is lost beyond.
constexpr size_t kMaxWaiting = 1024;
// Bytes for a chardev that is full, before the card's frames have to wait.
constexpr size_t kMaxBacklog = 64 * 1024;

int64_t Nanoseconds(io::Clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

std::string Text(in_addr address) {
  char text[INET_ADDRSTRLEN];
  return inet_ntop(AF_INET, &address, text, sizeof(text));
}

}  // namespace

struct User::StackTimer {
  User* owner;
  SlirpTimerCb fn;
  void* opaque;
  std::unique_ptr<io::Registration> pending;
};

// A port inside the guest's network whose far end is a chardev (guestfwd=). The stack has told the
// guest that its bytes arrived, so none may be lost: what the chardev does not take is kept.
class User::GuestForwardPort final : public ChardevClient {
 public:
  GuestForwardPort(User& owner, Chardev& chardev, in_addr server, uint16_t port)
      : owner_(owner), chardev_(chardev), server_(server), port_(port) {}
  ~GuestForwardPort() override {
    chardev_.OnWritable({});
    (void)chardev_.Attach(nullptr);
  }

  Status Open() {
    DAVIT_TRY(chardev_.Attach(this));
    chardev_.OnWritable([this] { Flush(); });
    if (slirp_add_guestfwd(owner_.slirp_, &FromGuest, this, &server_, port_) < 0) {
      return Fail("Conflicting/invalid host:port in guest forwarding rule");
    }
    return {};
  }
  size_t CanReceive() override { return slirp_socket_can_recv(owner_.slirp_, server_, port_); }
  void Receive(std::span<const std::byte> data) override {
    slirp_socket_recv(owner_.slirp_, server_, port_, reinterpret_cast<const uint8_t*>(data.data()),
                      static_cast<int>(data.size()));
    owner_.Changed();
  }
  void OnEvent(ChardevEvent) override {}
  void Resume() { chardev_.ResumeInput(); }
  bool full() const { return backlog_.size() >= kMaxBacklog; }

 private:
  static ssize_t FromGuest(const void* data, size_t size, void* self) {
    static_cast<GuestForwardPort*>(self)->Write({static_cast<const std::byte*>(data), size});
    return static_cast<ssize_t>(size);
  }
  void Write(std::span<const std::byte> data) {
    if (backlog_.empty()) data = data.subspan(chardev_.Write(data));
    backlog_.insert(backlog_.end(), data.begin(), data.end());
  }
  void Flush() {
    const bool was_full = full();
    const size_t taken = chardev_.Write(backlog_);
    backlog_.erase(backlog_.begin(), backlog_.begin() + static_cast<ptrdiff_t>(taken));
    if (was_full && !full() && owner_.client_ != nullptr) owner_.client_->OnSendable(0);
  }

  User& owner_;
  Chardev& chardev_;
  in_addr server_;
  const uint16_t port_;
  std::vector<std::byte> backlog_;  // of the guest, for the chardev
};

// What the stack calls, inside a call into it.
struct User::Callbacks {
  static User& Self(void* opaque) { return *static_cast<User*>(opaque); }

  static ssize_t SendPacket(const void* data, size_t size, void* opaque) {
    Self(opaque).FromStack({static_cast<const std::byte*>(data), size});
    return static_cast<ssize_t>(size);
  }
  static void GuestError(const char* message, void* opaque) {
    DAVIT_LOG_DEBUG("netdev {}: {}", Self(opaque).id_, message);
  }
  static int64_t ClockNs(void* opaque) { return Nanoseconds(Self(opaque).loop_.Now()); }
  static void* TimerNew(SlirpTimerCb fn, void* fn_opaque, void* opaque) {
    return new StackTimer{&Self(opaque), fn, fn_opaque, nullptr};
  }
  static void TimerFree(void* timer, void*) { delete static_cast<StackTimer*>(timer); }
  static void TimerMod(void* handle, int64_t milliseconds, void* opaque) {
    auto* const timer = static_cast<StackTimer*>(handle);
    User& self = Self(opaque);
    const io::Clock::time_point deadline{std::chrono::milliseconds(milliseconds)};
    timer->pending = self.loop_.At(deadline, [timer] {
      User* const owner = timer->owner;
      timer->fn(timer->opaque);
      owner->Changed();
    });
  }
  static void RegisterFd(int, void*) {}
  // It is about to be closed: a watch must not see its number come back.
  static void UnregisterFd(int fd, void* opaque) { Self(opaque).watches_.erase(fd); }
  static void Notify(void* opaque) { Self(opaque).Changed(); }

  static constexpr SlirpCb Table() {
    SlirpCb table{};
    table.send_packet = &SendPacket;
    table.guest_error = &GuestError;
    table.clock_get_ns = &ClockNs;
    table.timer_new = &TimerNew;
    table.timer_free = &TimerFree;
    table.timer_mod = &TimerMod;
    table.register_poll_fd = &RegisterFd;
    table.unregister_poll_fd = &UnregisterFd;
    table.notify = &Notify;
    return table;
  }
};

User::User(std::string id, io::EventLoop& loop) : id_(std::move(id)), loop_(loop) {}

Result<std::unique_ptr<User>> User::Create(std::string id, const UserNet& net,
                                           const std::vector<Chardev*>& chardevs,
                                           io::EventLoop& loop) {
  std::unique_ptr<User> user(new User(std::move(id), loop));
  DAVIT_TRY(user->Open(net, chardevs));
  return user;
}

Status User::Open(const UserNet& net, const std::vector<Chardev*>& chardevs) {
  static constexpr SlirpCb kCallbacks = Callbacks::Table();
  const auto text = [](const std::string& s) { return s.empty() ? nullptr : s.c_str(); };
  SlirpConfig config{};
  config.version = 3;
  config.restricted = net.restricted ? 1 : 0;
  config.in_enabled = net.ipv4;
  config.vnetwork = net.net;
  config.vnetmask = net.mask;
  config.vhost = net.host;
  config.in6_enabled = net.ipv6;
  config.vprefix_addr6 = net.prefix6;
  config.vprefix_len = net.prefix6_length;
  config.vhost6 = net.host6;
  config.vhostname = text(net.hostname);
  config.tftp_server_name = text(net.tftp_server_name);
  config.tftp_path = text(net.tftp);
  config.bootfile = text(net.bootfile);
  config.vdhcp_start = net.dhcp_start;
  config.vnameserver = net.dns;
  config.vnameserver6 = net.dns6;
  std::vector<const char*> search;
  for (const std::string& domain : net.dnssearch) search.push_back(domain.c_str());
  search.push_back(nullptr);
  if (search.size() > 1) config.vdnssearch = search.data();
  config.vdomainname = text(net.domainname);
  slirp_ = slirp_new(&config, &kCallbacks, this);
  if (slirp_ == nullptr) return Fail("the user-mode network stack refused its configuration");
  info_ = fmt::format("net={},restrict={}", Text(net.net), net.restricted ? "on" : "off");
  DAVIT_TRY(AddForwards(net, chardevs));
  Changed();
  return {};
}

Status User::AddForwards(const UserNet& net, const std::vector<Chardev*>& chardevs) {
  for (const HostForward& forward : net.host_forwards) {
    if (slirp_add_hostfwd(slirp_, forward.udp ? 1 : 0, forward.host_address, forward.host_port,
                          forward.guest_address, forward.guest_port) < 0) {
      return Fail(fmt::format("Could not set up host forwarding rule '{}:{}:{}-{}:{}'",
                              forward.udp ? "udp" : "tcp",
                              forward.host_address.s_addr == 0 ? "" : Text(forward.host_address),
                              forward.host_port, Text(forward.guest_address), forward.guest_port));
    }
  }
  for (size_t i = 0; i < net.guest_forwards.size(); ++i) {
    const GuestForward& forward = net.guest_forwards[i];
    in_addr server = forward.server;
    if (!forward.command.empty()) {
      if (slirp_add_exec(slirp_, forward.command.c_str(), &server, forward.port) < 0) {
        return Fail("Conflicting/invalid host:port in guest forwarding rule");
      }
      continue;
    }
    ports_.push_back(std::make_unique<GuestForwardPort>(*this, *chardevs[i], server, forward.port));
    DAVIT_TRY(ports_.back()->Open());
  }
  return {};
}

User::~User() {
  alive_.reset();
  ports_.clear();
  if (slirp_ != nullptr) slirp_cleanup(slirp_);
}

Status User::Attach(NetClient* client, io::EventLoop& loop) {
  if (client != nullptr && client_ != nullptr) {
    return Fail(fmt::format("netdev '{}' is in use", id_));
  }
  if (client != nullptr && &loop != &loop_) {
    return Fail(fmt::format("netdev '{}' of type user cannot serve an iothread", id_));
  }
  client_ = client;
  receiving_ = false;
  frames_.clear();
  return {};
}

// --- frames
// --------------------------------------------------------------------------------------------

SendResult User::Send(unsigned, std::span<const iovec> frame) {
  for (const auto& port : ports_) {
    if (port->full()) return SendResult::kFull;
  }
  std::vector<uint8_t> bytes;
  for (const iovec& piece : frame) {
    const auto* const data = static_cast<const uint8_t*>(piece.iov_base);
    bytes.insert(bytes.end(), data, data + piece.iov_len);
  }
  slirp_input(slirp_, bytes.data(), static_cast<int>(bytes.size()));
  Changed();
  return SendResult::kSent;
}

void User::FromStack(std::span<const std::byte> frame) {
  if (client_ == nullptr || frames_.size() >= kMaxWaiting) return;
  frames_.emplace_back(frame.begin(), frame.end());
  Changed();
}

size_t User::Receive(unsigned, std::span<const iovec> out) {
  if (frames_.empty()) return 0;
  const std::vector<std::byte> frame = std::move(frames_.front());
  frames_.pop_front();
  return Scatter(frame, out);
}

void User::StopReceiving(unsigned) { receiving_ = false; }

void User::StartReceiving(unsigned) {
  receiving_ = true;
  if (!frames_.empty()) Changed();
}

// --- descriptors and timers
// ----------------------------------------------------------------------------

void User::Changed() {
  if (std::exchange(update_posted_, true)) return;
  loop_.Post([this, alive = std::weak_ptr<bool>(alive_)] {
    if (!alive.expired()) Update();
  });
}

void User::Update() {
  update_posted_ = false;
  std::vector<int> polled;  // index of the stack -> descriptor
  const auto fill = [this, &polled] {
    uint32_t timeout = UINT32_MAX;
    struct Filled {
      std::vector<std::pair<int, int>> list;
    } filled;
    slirp_pollfds_fill(
        slirp_, &timeout,
        [](int fd, int events, void* opaque) {
          auto& list = static_cast<Filled*>(opaque)->list;
          list.emplace_back(fd, events);
          return static_cast<int>(list.size() - 1);
        },
        &filled);
    polled.clear();
    for (const auto& [fd, events] : filled.list) polled.push_back(fd);
    return std::pair(std::move(filled.list), timeout);
  };
  if (std::exchange(fired_, false)) {
    fill();
    struct Poll {
      User* self;
      const std::vector<int>* fds;
    } poll{this, &polled};
    slirp_pollfds_poll(
        slirp_, 0,
        [](int index, void* opaque) {
          const auto& [self, fds] = *static_cast<Poll*>(opaque);
          if (index < 0 || static_cast<size_t>(index) >= fds->size()) return 0;
          const auto at = self->watches_.find((*fds)[static_cast<size_t>(index)]);
          return at == self->watches_.end() ? 0 : at->second.revents & at->second.events;
        },
        &poll);
    for (auto& [fd, watch] : watches_) watch.revents = 0;
  }
  const auto [wanted, timeout] = fill();
  std::erase_if(watches_, [&polled](const auto& entry) {
    return std::find(polled.begin(), polled.end(), entry.first) == polled.end();
  });
  for (const auto& [fd, events] : wanted) SetWatch(fd, events);
  timeout_.reset();
  if (timeout != UINT32_MAX) {
    timeout_ = loop_.At(loop_.Now() + std::chrono::milliseconds(timeout), [this] {
      fired_ = true;
      Changed();
    });
  }
  // The guest may have connected, or taken bytes.
  for (auto& port : ports_) port->Resume();
  if (receiving_ && !frames_.empty() && client_ != nullptr) {
    client_->OnReceivable(0);
    if (receiving_ && !frames_.empty()) Changed();  // its burst was over
  }
}

void User::SetWatch(int fd, int events) {
  Watch& watch = watches_[fd];
  if (watch.events == events) return;
  watch.events = events;
  watch.readable.reset();
  watch.writable.reset();
  constexpr int kIn = SLIRP_POLL_IN | SLIRP_POLL_PRI | SLIRP_POLL_ERR | SLIRP_POLL_HUP;
  if ((events & kIn) != 0) {
    auto made = loop_.WatchReadable(fd, [this, fd] { Fired(fd, SLIRP_POLL_IN); });
    if (made) watch.readable = std::move(*made);
  }
  if ((events & SLIRP_POLL_OUT) != 0) {
    auto made = loop_.WatchWritable(fd, [this, fd] { Fired(fd, SLIRP_POLL_OUT); });
    if (made) watch.writable = std::move(*made);
  }
}

void User::Fired(int fd, int event) {
  const auto at = watches_.find(fd);
  if (at == watches_.end()) return;
  // Until Update() has run there is nothing new to say.
  at->second.revents |= event;
  fired_ = true;
  Changed();
}

}  // namespace davit::backend
