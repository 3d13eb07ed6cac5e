// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A QMP client: one connection, commands and events (QEMU's qmp-spec). Blocking calls with a
// deadline over a non-blocking socket, so a user may also poll fd() and call Pump(). Not
// thread-safe: one thread owns a Client.
//
//   auto client = Client::Connect("unix:/run/vm.sock");
//   client->Execute("stop");                          // Result<json::Value>: the return value
//   client->WaitEvent("STOP", 5s);
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "clients/lib/address.h"
#include "schema/runtime/json/value.h"
#include "vmm/base/error.h"
#include "vmm/base/unique_fd.h"

namespace davit::client {

using std::chrono::milliseconds;

inline constexpr milliseconds kDefaultTimeout{30'000};

struct Event {
  std::string name;
  json::Value data;     // null when the event has none
  int64_t seconds = 0;  // wall clock of the server; -1 when it has none
  int64_t microseconds = 0;
  json::Object message;  // the whole message
};

// One command of Send() with its descriptors (SCM_RIGHTS), which stay the caller's.
struct Command {
  std::string name;
  json::Object arguments;
  std::vector<int> fds;
  bool out_of_band = false;  // exec-oob; only after Negotiate({"oob"})
};

class Client {
 public:
  // Connects and reads the greeting; does not negotiate.
  static Result<std::unique_ptr<Client>> Open(std::string_view address,
                                              milliseconds timeout = kDefaultTimeout);
  static Result<std::unique_ptr<Client>> Open(UniqueFd socket,
                                              milliseconds timeout = kDefaultTimeout);
  // Open() and Negotiate().
  static Result<std::unique_ptr<Client>> Connect(std::string_view address,
                                                 milliseconds timeout = kDefaultTimeout);

  // The "QMP" member of the greeting.
  const json::Value& greeting() const { return greeting_; }
  int fd() const { return fd_.get(); }

  Status Negotiate(std::vector<std::string> capabilities = {},
                   milliseconds timeout = kDefaultTimeout);

  // Sends and waits for the reply with its id; events that come meanwhile are queued. An error
  // reply is an Error with its class and text; a lost connection or a passed deadline another.
  Result<json::Value> Execute(std::string_view name, json::Object arguments = {},
                              milliseconds timeout = kDefaultTimeout);
  Result<json::Value> Execute(const Command& command, milliseconds timeout = kDefaultTimeout);

  // The next queued event, or one that arrives within the time; nullopt when none did.
  Result<std::optional<Event>> NextEvent(milliseconds timeout);
  // The next event that was read already, if any.
  std::optional<Event> TakeEvent();
  // Drops events until one of that name comes. Error: deadline, lost connection.
  Result<Event> WaitEvent(std::string_view name, milliseconds timeout = kDefaultTimeout);

  // Reads what is there without waiting; events are then in NextEvent(0ms). Error: lost connection.
  Status Pump();

  // The layer below, for tests of the wire: bytes as they are, messages as they come. Nothing more
  // can be sent after a message of which a part alone was taken in time.
  Status SendRaw(std::string_view bytes, milliseconds timeout = kDefaultTimeout);
  // Replies to commands whose deadline has passed are left out.
  Result<json::Value> ReadMessage(milliseconds timeout = kDefaultTimeout);
  // One line as it came, its LF cut off.
  Result<std::string> ReadLine(milliseconds timeout = kDefaultTimeout);

 private:
  using Deadline = std::chrono::steady_clock::time_point;

  explicit Client(UniqueFd fd) : fd_(std::move(fd)) {}
  Status SendBytes(std::string_view bytes, const std::vector<int>& fds, Deadline deadline);
  Result<json::Value> ReadMessageUntil(Deadline deadline);
  Result<std::string> ReadLineUntil(Deadline deadline);
  // Takes one line out of buffer_ if it holds a whole one.
  std::optional<std::string> TakeLine();
  // Reads once; Error on end of file.
  Status Fill();
  // True when the message answers a command of Execute().
  bool TakeAnswer(const json::Value& message);
  // True when the message was an event, which is then queued.
  bool QueueIfEvent(const json::Value& message);

  UniqueFd fd_;
  json::Value greeting_;
  std::string buffer_;
  size_t scanned_ = 0;  // bytes of buffer_ known to hold no newline
  bool torn_ = false;   // the server has a part of a message
  std::deque<Event> events_;
  int64_t next_id_ = 1;
  std::set<int64_t> unanswered_;  // ids of commands that were sent
};

}  // namespace davit::client
