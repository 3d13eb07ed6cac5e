// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See client.h.
#include "clients/lib/client.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cstring>

#include "schema/runtime/json/json.h"

namespace davit::client {
namespace {

using SteadyClock = std::chrono::steady_clock;

// Waits for events on fd; Error when the deadline passes.
Status WaitFor(int fd, short events, SteadyClock::time_point deadline) {
  for (;;) {
    const auto left =
        std::chrono::duration_cast<milliseconds>(deadline - SteadyClock::now()).count();
    pollfd p{fd, events, 0};
    const int rc =
        poll(&p, 1, left < 0 ? 0 : static_cast<int>(std::min<int64_t>(left + 1, 1 << 30)));
    if (rc > 0) return {};
    if (rc == 0) return Fail("timed out waiting for the QMP server");
    if (errno != EINTR) return FailErrno("poll");
  }
}

SteadyClock::time_point After(milliseconds timeout) { return SteadyClock::now() + timeout; }

// What a reply says: its return value, or its error as an Error.
Result<json::Value> Outcome(const json::Value& reply) {
  const json::Object* object = reply.AsObject();
  if (const json::Value* value = object->Find("return")) return *value;
  const json::Value& error = reply["error"];
  const std::string* desc = error["desc"].AsString();
  const std::string* klass = error["class"].AsString();
  if (desc == nullptr || klass == nullptr) {
    return Fail("not a QMP reply: " + json::Write(reply));
  }
  return Fail(ErrorCodeOfClass(*klass), *desc);
}

}  // namespace

Result<std::unique_ptr<Client>> Client::Open(std::string_view address, milliseconds timeout) {
  DAVIT_ASSIGN(const Address where, ParseAddress(address));
  DAVIT_ASSIGN(UniqueFd fd, davit::client::Connect(where));
  return Open(std::move(fd), timeout);
}

Result<std::unique_ptr<Client>> Client::Open(UniqueFd socket, milliseconds timeout) {
  std::unique_ptr<Client> client(new Client(std::move(socket)));
  DAVIT_ASSIGN(const json::Value message, client->ReadMessage(timeout));
  const json::Object* object = message.AsObject();
  const json::Value* qmp = object == nullptr ? nullptr : object->Find("QMP");
  if (qmp == nullptr) return Fail("not a QMP greeting: " + json::Write(message));
  client->greeting_ = *qmp;
  return client;
}

Result<std::unique_ptr<Client>> Client::Connect(std::string_view address, milliseconds timeout) {
  DAVIT_ASSIGN(std::unique_ptr<Client> client, Open(address, timeout));
  DAVIT_TRY(client->Negotiate({}, timeout));
  return client;
}

Status Client::Negotiate(std::vector<std::string> capabilities, milliseconds timeout) {
  json::Object arguments;
  if (!capabilities.empty()) {
    json::Array enable;
    for (std::string& name : capabilities) enable.emplace_back(std::move(name));
    arguments.Set("enable", std::move(enable));
  }
  DAVIT_TRY(Execute("qmp_capabilities", std::move(arguments), timeout));
  return {};
}

Result<json::Value> Client::Execute(std::string_view name, json::Object arguments,
                                    milliseconds timeout) {
  return Execute(Command{std::string(name), std::move(arguments), {}, false}, timeout);
}

Result<json::Value> Client::Execute(const Command& command, milliseconds timeout) {
  const Deadline deadline = After(timeout);
  const int64_t number = next_id_++;
  const json::Value id(number);
  json::Object message;
  message.Set(command.out_of_band ? "exec-oob" : "execute", command.name);
  if (!command.arguments.empty()) message.Set("arguments", command.arguments);
  message.Set("id", id);
  DAVIT_TRY(SendBytes(json::Write(message) + "\n", command.fds, deadline));
  unanswered_.insert(number);
  for (;;) {
    DAVIT_ASSIGN(const json::Value reply, ReadMessageUntil(deadline));
    // A reply without id answers broken input of SendRaw(), not this command.
    if (QueueIfEvent(reply) || !TakeAnswer(reply)) continue;
    if (reply["id"] == id) return Outcome(reply);
  }
}

bool Client::TakeAnswer(const json::Value& message) {
  const json::Value id = message["id"];
  return id.AsInt() != nullptr && unanswered_.erase(*id.AsInt()) != 0;
}

Result<std::optional<Event>> Client::NextEvent(milliseconds timeout) {
  const Deadline deadline = After(timeout);
  while (events_.empty()) {
    if (std::optional<std::string> line = TakeLine()) {
      DAVIT_ASSIGN(const json::Value message, json::Parse(*line));
      QueueIfEvent(message);
      continue;
    }
    if (!WaitFor(fd_.get(), POLLIN, deadline)) return std::optional<Event>();
    DAVIT_TRY(Fill());
  }
  return TakeEvent();
}

std::optional<Event> Client::TakeEvent() {
  if (events_.empty()) return std::nullopt;
  std::optional<Event> event = std::move(events_.front());
  events_.pop_front();
  return event;
}

Result<Event> Client::WaitEvent(std::string_view name, milliseconds timeout) {
  const Deadline deadline = After(timeout);
  for (;;) {
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - SteadyClock::now());
    DAVIT_ASSIGN(std::optional<Event> event, NextEvent(std::max(left, milliseconds(0))));
    if (!event) return Fail(fmt::format("no event {} within {} ms", name, timeout.count()));
    if (event->name == name) return std::move(*event);
  }
}

Status Client::Pump() {
  Status status;
  while (status && WaitFor(fd_.get(), POLLIN, SteadyClock::now())) status = Fill();
  // What came before the end still counts.
  while (std::optional<std::string> line = TakeLine()) {
    DAVIT_ASSIGN(const json::Value message, json::Parse(*line));
    QueueIfEvent(message);
  }
  return status;
}

Status Client::SendRaw(std::string_view bytes, milliseconds timeout) {
  return SendBytes(bytes, {}, After(timeout));
}

Result<json::Value> Client::ReadMessage(milliseconds timeout) {
  const Deadline deadline = After(timeout);
  for (;;) {
    DAVIT_ASSIGN(json::Value message, ReadMessageUntil(deadline));
    if (!TakeAnswer(message)) return message;
  }
}

Status Client::SendBytes(std::string_view bytes, const std::vector<int>& fds, Deadline deadline) {
  constexpr size_t kMaxFds = 16;
  if (torn_) return Fail("a message was sent in part; the connection is of no use any more");
  if (fds.size() > kMaxFds) return Fail("more than 16 descriptors in one message");
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMaxFds * sizeof(int))> control{};
  bool with_fds = !fds.empty();
  while (!bytes.empty()) {
    iovec iov{const_cast<char*>(bytes.data()), bytes.size()};
    msghdr msg{};
    msg.msg_iov = &iov;
    msg.msg_iovlen = 1;
    if (with_fds) {
      msg.msg_control = control.data();
      msg.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
      cmsghdr* header = CMSG_FIRSTHDR(&msg);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
      std::memcpy(CMSG_DATA(header), fds.data(), fds.size() * sizeof(int));
    }
    const ssize_t n = sendmsg(fd_.get(), &msg, MSG_NOSIGNAL);
    if (n >= 0) {
      bytes.remove_prefix(static_cast<size_t>(n));
      with_fds = false;
      torn_ = !bytes.empty();
    } else if (errno == EAGAIN) {
      DAVIT_TRY(WaitFor(fd_.get(), POLLOUT, deadline));
    } else if (errno != EINTR) {
      return FailErrno("could not send to the QMP server");
    }
  }
  return {};
}

Result<std::string> Client::ReadLine(milliseconds timeout) { return ReadLineUntil(After(timeout)); }

Result<json::Value> Client::ReadMessageUntil(Deadline deadline) {
  DAVIT_ASSIGN(const std::string line, ReadLineUntil(deadline));
  return json::Parse(line);
}

Result<std::string> Client::ReadLineUntil(Deadline deadline) {
  for (;;) {
    if (std::optional<std::string> line = TakeLine()) return std::move(*line);
    DAVIT_TRY(WaitFor(fd_.get(), POLLIN, deadline));
    DAVIT_TRY(Fill());
  }
}

std::optional<std::string> Client::TakeLine() {
  const size_t end = buffer_.find('\n', scanned_);
  if (end == std::string::npos) {
    scanned_ = buffer_.size();
    return std::nullopt;
  }
  std::string line = buffer_.substr(0, end);
  buffer_.erase(0, end + 1);
  scanned_ = 0;
  // Blank lines carry nothing.
  if (line.find_first_not_of(" \r\t") == std::string::npos) return TakeLine();
  return line;
}

Status Client::Fill() {
  std::array<char, 65536> chunk;
  const ssize_t n = recv(fd_.get(), chunk.data(), chunk.size(), 0);
  if (n > 0) {
    buffer_.append(chunk.data(), static_cast<size_t>(n));
    return {};
  }
  if (n == 0) return Fail("the QMP server closed the connection");
  if (errno == EAGAIN || errno == EINTR) return {};
  return FailErrno("could not read from the QMP server");
}

bool Client::QueueIfEvent(const json::Value& message) {
  const json::Object* object = message.AsObject();
  const std::string* name = message["event"].AsString();
  if (object == nullptr || name == nullptr) return false;
  Event event;
  event.name = *name;
  event.data = message["data"];
  const json::Value& timestamp = message["timestamp"];
  if (const int64_t* seconds = timestamp["seconds"].AsInt()) event.seconds = *seconds;
  if (const int64_t* micro = timestamp["microseconds"].AsInt()) event.microseconds = *micro;
  event.message = *object;
  events_.push_back(std::move(event));
  return true;
}

}  // namespace davit::client
