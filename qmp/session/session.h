// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// One QMP client, from greeting to close (qmp-spec): negotiation, order of commands, out-of-band
// execution, descriptors received, output. Knows no socket: the host feeds bytes in and takes
// output() away. In-band commands run one after another in the order received; while one has
// not completed, no byte is taken from the input (out-of-band enabled: kMaxQueued more commands
// are). Nothing is taken either while output is above kHighWater, until it is all written.
// Owner: control thread.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "qmp/dispatcher/dispatcher.h"
#include "qmp/event_hub/event_hub.h"
#include "qmp/protocol/message_parser.h"
#include "qmp/protocol/reply.h"
#include "qmp/session/received_fds.h"
#include "schema/runtime/command_context.h"

namespace davit::qmp {

class Session;

// The connection that carries a session. No call may destroy the session or close it at once.
class SessionHost {
 public:
  virtual ~SessionHost() = default;
  // Outside of Receive() there came new output, or queued commands may run: call Receive() soon.
  virtual void SessionReady() = 0;
  // Write what can be written without waiting; many events are coming.
  virtual void WriteNow() = 0;
  // Call ReleaseReply() once what is posted on the control loop now has run, then Receive().
  virtual void ReleaseReplySoon() = 0;
  // The client does not read its events. The session is closed; the host drops the connection.
  virtual void SessionOverflowed() = 0;
};

class Session final : public qapi::CommandContext,
                      public EventSubscriber,
                      public std::enable_shared_from_this<Session> {
 public:
  static constexpr size_t kMaxQueued = 8;
  static constexpr size_t kHighWater = 256 * 1024;      // unsent output, bytes
  static constexpr size_t kMaxEventBytes = 256 * 1024;  // unsent events, bytes
  static constexpr int kSlice = 512;                    // messages in one Receive()

  // All references outlive the session.
  Session(const Dispatcher& dispatcher, EventHub& events, SessionHost& host, uint64_t id,
          bool pretty)
      : dispatcher_(dispatcher), events_(events), host_(&host), id_(id), pretty_(pretty) {}
  ~Session() override { Close(); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Greets, and subscribes to events.
  void Open(const Version& version);
  // The host is gone. Commands under way complete unheard. Idempotent.
  void Close();

  // New bytes arrived, with these descriptors (mostly none); they are handed to Receive() next.
  void BeginChunk(std::vector<UniqueFd> fds) { fds_.Add(std::move(fds)); }
  // Runs what is queued and then takes the messages at the start of `bytes` (which may be empty),
  // as many as may be run or queued now and at most kSlice. Returns how many bytes were taken; the
  // host keeps the rest until wants_input().
  size_t Receive(std::string_view bytes);
  bool wants_input() const;
  // No command is under way or queued.
  bool idle() const { return !busy_ && queue_.empty(); }

  // Writes the reply that waits for a turn of the loop, if any. Queued commands run in Receive().
  void ReleaseReply();

  // Pending output. The host erases what it has written, then calls OutputSent().
  std::string& output() { return output_; }
  void OutputSent();

  // EventSubscriber
  bool wants_events() const override { return negotiated_ && host_ != nullptr; }
  bool pretty() const override { return pretty_; }
  void DeliverEvent(std::string_view message) override;

  // qapi::CommandContext
  Result<UniqueFd> TakeFd() override { return fds_.Take(current_); }
  qapi::NamedFds& named_fds() override { return named_fds_; }
  bool in_preconfig() const override { return dispatcher_.in_preconfig(); }
  uint64_t session_id() const override { return id_; }

 private:
  struct Message {
    Result<json::Value> value;
    FdSpan chunks;  // the chunks of input that it came in
  };

  void Handle(Message message);
  void Execute(Message message, bool in_band);
  // Null when the request was answered already.
  const Command* Resolve(const Result<struct Request>& request, std::optional<json::Value>& id);
  Result<json::Value> Negotiate(const json::Object& arguments);
  // Where a reply goes: what Execute() knew of its command.
  struct Pending {
    std::optional<json::Value> id;
    bool success_response = true;
    bool in_band = true;
    bool after_turn = false;
  };
  void Complete(Result<json::Value> result, Pending pending);
  void AnswerError(const Error& error, std::optional<json::Value> id) {
    AppendError(output_, error, std::move(id), pretty_);
  }
  void RunQueue();
  bool room_for_output() const { return !choked_ && output_.size() < kHighWater; }

  const Dispatcher& dispatcher_;
  EventHub& events_;
  SessionHost* host_;  // null: closed
  const uint64_t id_;
  const bool pretty_;

  MessageParser parser_;
  uint64_t first_chunk_ = 0;  // of the message being read
  std::deque<Message> queue_;
  std::string output_;
  size_t event_bytes_ = 0;  // appended since output_ was last empty
  bool choked_ = false;     // output_ passed kHighWater and is not yet all sent
  bool negotiated_ = false;
  bool oob_enabled_ = false;
  bool busy_ = false;    // an in-band command has not completed
  bool inside_ = false;  // in Receive() or ReleaseReply(): the host looks for output afterwards

  ReceivedFds fds_;
  FdSpan current_;  // of the message being executed
  struct Held {
    Result<json::Value> result;
    Pending pending;
  };
  std::optional<Held> held_;  // the in-band reply that waits for a turn of the loop
  bool invoking_ = false;     // in the handler of an in-band command
  qapi::NamedFds named_fds_;
};

}  // namespace davit::qmp
