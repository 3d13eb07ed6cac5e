// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See the header.
#include "qmp/transport/server.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <map>
#include <utility>

#include "qmp/dispatcher/dispatcher.h"
#include "qmp/transport/connection.h"
#include "qmp/transport/listener.h"
#include "qmp/transport/socket_io.h"
#include "qmp/transport/sockets.h"
#include "vmm/base/log.h"
#include "vmm/base/waiting.h"

namespace davit::qmp {
namespace {

EventHub::CallAfter TimersOf(boost::asio::io_context& io) {
  return [&io](std::chrono::nanoseconds delay, std::function<void()> fn) {
    auto timer = std::make_shared<boost::asio::steady_timer>(io, delay);
    timer->async_wait([timer, fn = std::move(fn)](const boost::system::error_code& error) {
      if (!error) fn();
    });
  };
}

}  // namespace

class Server::Impl {
 public:
  Impl(boost::asio::io_context& io, ServerConfig config, const CommandTable& commands,
       const VmView& vm)
      : io_(io),
        version_{config.major, config.minor, config.micro, std::move(config.package)},
        dispatcher_(commands, vm),
        events_(TimersOf(io)),
        fd_sets_([&vm] { return vm.running(); }) {}

  ~Impl() { Drop(); }

  Status AddMonitor(const MonitorSpec& spec);
  Status AddClient(Stream stream, bool pretty, const std::string& label);
  void GreetWaitingClients();
  std::vector<MonitorInfo> Monitors() const;
  void Shutdown(std::chrono::milliseconds timeout);

  EventHub& events() { return events_; }
  FdSets& fd_sets() { return fd_sets_; }
  size_t client_count() const { return clients_.size(); }

 private:
  struct Monitor {
    std::string label;
    std::string filename;
    std::vector<std::shared_ptr<Listener>> listeners;
    SocketFile file;
  };

  Status Listen(const MonitorSpec& spec);
  Status WaitForClient(const Monitor& monitor);
  void StopListening();
  void FlushAll(std::chrono::steady_clock::time_point deadline);
  void Drop();
  bool HasClient(const std::string& label) const;

  boost::asio::io_context& io_;
  const Version version_;
  const Dispatcher dispatcher_;
  EventHub events_;
  FdSets fd_sets_;
  std::vector<char> buffer_ = std::vector<char>(64 * 1024);
  std::vector<Monitor> monitors_;
  std::map<uint64_t, std::shared_ptr<Connection>> clients_;
  uint64_t next_id_ = 1;
  bool ended_ = false;
};

Status Server::Impl::AddMonitor(const MonitorSpec& spec) {
  if (spec.kind == MonitorSpec::Kind::kStdio) {
    Stream stream{UniqueFd(fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)),
                  UniqueFd(fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3))};
    if (!stream.in || !stream.out) return FailErrno("cannot use stdio");
    monitors_.push_back({spec.label, DescribeMonitor(spec, -1), {}, {}});
    return AddClient(std::move(stream), spec.pretty, spec.label);
  }
  if (spec.server) return Listen(spec);
  DAVIT_ASSIGN(UniqueFd fd, OpenConnected(spec));
  monitors_.push_back({spec.label, DescribeMonitor(spec, fd.get()), {}, {}});
  return AddClient({std::move(fd), UniqueFd()}, spec.pretty, spec.label);
}

Status Server::Impl::Listen(const MonitorSpec& spec) {
  DAVIT_ASSIGN(ListeningSockets sockets, OpenListening(spec));
  Monitor monitor;
  monitor.label = spec.label;
  monitor.filename = DescribeMonitor(spec, sockets.fds.front().get());
  monitor.file = std::move(sockets.file);
  for (UniqueFd& fd : sockets.fds) {
    monitor.listeners.push_back(std::make_shared<Listener>(
        io_, std::move(fd), [this, label = spec.label, pretty = spec.pretty](UniqueFd client) {
          (void)AddClient({std::move(client), UniqueFd()}, pretty, label);
        }));
  }
  if (spec.wait) DAVIT_TRY(WaitForClient(monitor));
  for (const auto& listener : monitor.listeners) listener->Start();
  monitors_.push_back(std::move(monitor));
  return {};
}

Status Server::Impl::WaitForClient(const Monitor& monitor) {
  DAVIT_LOG_WARN("waiting for connection on: disconnected:{}", monitor.filename);
  std::vector<pollfd> polled;
  for (const auto& listener : monitor.listeners) polled.push_back({listener->fd(), POLLIN, 0});
  while (true) {
    if (!WaitUntilReady(polled)) {
      return FailErrno("waiting for connection on " + monitor.filename);
    }
    for (const auto& listener : monitor.listeners) {
      DAVIT_ASSIGN(UniqueFd client, listener->AcceptOne());
      if (client) {
        listener->Hand(std::move(client));
        return {};
      }
    }
  }
}

Status Server::Impl::AddClient(Stream stream, bool pretty, const std::string& label) {
  if (ended_) return Fail("the QMP server has been shut down");
  if (!IsSocket(stream.out ? stream.out.get() : stream.in.get())) {
    std::signal(SIGPIPE, SIG_IGN);  // a pipe whose reader is gone is an error like any other
  }
  const uint64_t id = next_id_++;
  auto client = std::make_shared<Connection>(
      Connection::Env{io_, dispatcher_, events_, buffer_}, std::move(stream), id, pretty, label,
      [this, label](Connection& gone) {
        DAVIT_LOG_INFO("monitor {}: client {} has gone", label, gone.id());
        clients_.erase(gone.id());
        fd_sets_.ClientDisconnected();
      });
  fd_sets_.ClientConnected();
  clients_.emplace(id, client);
  DAVIT_LOG_INFO("monitor {}: client {} has come", label, id);
  client->Start(version_);
  return {};
}

void Server::Impl::GreetWaitingClients() {
  for (const Monitor& monitor : monitors_) {
    for (const auto& listener : monitor.listeners) {
      // An error comes up again when the listener has its turn.
      for (auto client = listener->AcceptOne(); client && *client; client = listener->AcceptOne()) {
        listener->Hand(std::move(*client));
      }
    }
  }
}

bool Server::Impl::HasClient(const std::string& label) const {
  for (const auto& [id, client] : clients_) {
    if (client->label() == label) return true;
  }
  return false;
}

std::vector<MonitorInfo> Server::Impl::Monitors() const {
  std::vector<MonitorInfo> list;
  for (const Monitor& monitor : monitors_) {
    const bool connected = HasClient(monitor.label);
    list.push_back(
        {monitor.label, connected ? monitor.filename : "disconnected:" + monitor.filename, true});
  }
  return list;
}

void Server::Impl::StopListening() {
  for (Monitor& monitor : monitors_) {
    for (const auto& listener : monitor.listeners) listener->Stop();
    monitor.listeners.clear();
    monitor.file = SocketFile();
  }
}

// Writes what clients have not been sent yet, as far as they read.
void Server::Impl::FlushAll(std::chrono::steady_clock::time_point deadline) {
  while (true) {
    std::vector<pollfd> polled;
    std::vector<std::shared_ptr<Connection>> waiting;
    for (const auto& [id, client] : clients_) {
      client->FlushBlocked();
      if (const int fd = client->fd_with_output(); fd >= 0) {
        polled.push_back({fd, POLLOUT, 0});
        waiting.push_back(client);
      }
    }
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    if (polled.empty() || left.count() <= 0) return;
    if (poll(polled.data(), polled.size(), static_cast<int>(left.count())) == 0) return;
  }
}

void Server::Impl::Drop() {
  StopListening();
  while (!clients_.empty()) {
    const std::shared_ptr<Connection> client = clients_.begin()->second;
    client->Stop();
  }
}

void Server::Impl::Shutdown(std::chrono::milliseconds timeout) {
  if (std::exchange(ended_, true)) return;
  StopListening();
  events_.Flush();
  FlushAll(std::chrono::steady_clock::now() + timeout);
  Drop();
}

Server::Server(boost::asio::io_context& io, ServerConfig config, const CommandTable& commands,
               const VmView& vm)
    : impl_(std::make_unique<Impl>(io, std::move(config), commands, vm)) {}
Server::~Server() = default;

Status Server::AddMonitor(const MonitorSpec& spec) { return impl_->AddMonitor(spec); }
Status Server::AddStream(UniqueFd in, UniqueFd out, bool pretty, const std::string& label) {
  return impl_->AddClient({std::move(in), std::move(out)}, pretty, label);
}
void Server::GreetWaitingClients() { impl_->GreetWaitingClients(); }
EventHub& Server::events() { return impl_->events(); }
FdSets& Server::fd_sets() { return impl_->fd_sets(); }
std::vector<MonitorInfo> Server::Monitors() const { return impl_->Monitors(); }
size_t Server::client_count() const { return impl_->client_count(); }
void Server::Shutdown(std::chrono::milliseconds timeout) { impl_->Shutdown(timeout); }

}  // namespace davit::qmp
