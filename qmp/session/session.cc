// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See the header.
#include "qmp/session/session.h"

#include <algorithm>
#include <array>
#include <utility>

#include "qmp/protocol/request.h"
#include "schema/runtime/decoder.h"

namespace davit::qmp {
namespace {

constexpr std::string_view kNegotiation = "qmp_capabilities";
constexpr std::array<std::string_view, 1> kCapabilities = {"oob"};

// The arguments of qmp_capabilities: is "oob" among the capabilities to enable?
Result<bool> DecodeEnable(const json::Object& arguments) {
  qapi::Decoder decoder;
  qapi::ObjectScope scope(decoder, arguments, {});
  bool oob = false;
  if (const json::Value* enable = scope.Find("enable")) {
    qapi::ListScope list(decoder, *enable, "enable", false);
    if (!list) return Fail(decoder.TakeError());
    for (size_t i = 0; i < list.size(); ++i) {
      size_t capability = 0;
      if (!decoder.ReadEnum(list.Element(i), {}, kCapabilities, capability)) {
        return Fail(decoder.TakeError());
      }
      oob = true;
    }
  }
  if (!scope.Finish()) return Fail(decoder.TakeError());
  return oob;
}

}  // namespace

void Session::Open(const Version& version) {
  events_.Subscribe(this);
  AppendGreeting(output_, version, pretty_);
}

void Session::Close() {
  if (host_ == nullptr) return;
  host_ = nullptr;
  events_.Unsubscribe(this);
  queue_.clear();
  fds_.Clear();
  output_.clear();
}

bool Session::wants_input() const {
  if (host_ == nullptr || !room_for_output()) return false;
  if (idle()) return true;
  return queue_.size() < (oob_enabled_ ? kMaxQueued : 0);
}

size_t Session::Receive(std::string_view bytes) {
  inside_ = true;
  RunQueue();
  size_t at = 0;
  std::optional<Result<json::Value>> message;
  for (int taken = 0; at < bytes.size() && taken < kSlice && wants_input();) {
    if (!parser_.mid_message()) first_chunk_ = fds_.chunk();
    at += parser_.Feed(bytes.substr(at), message);
    if (!message) continue;
    ++taken;
    Handle({std::move(*message), {first_chunk_, fds_.chunk()}});
    RunQueue();
  }
  inside_ = false;
  return at;
}

void Session::RunQueue() {
  while (!busy_ && !queue_.empty() && room_for_output()) {
    Message next = std::move(queue_.front());
    queue_.pop_front();
    Execute(std::move(next), true);
  }
  if (output_.size() >= kHighWater) choked_ = true;
}

void Session::Handle(Message message) {
  const bool oob = message.value && IsOutOfBand(*message.value);
  if (oob || idle()) return Execute(std::move(message), !oob);
  queue_.push_back(std::move(message));
}

const Command* Session::Resolve(const Result<Request>& request, std::optional<json::Value>& id) {
  if (!request) {
    AnswerError(request.error(), std::move(id));
    return nullptr;
  }
  if (request->command == kNegotiation) {
    if (request->oob) {
      AnswerError({ErrorCode::kGeneric, "The command qmp_capabilities does not support OOB", {}},
                  std::move(id));
      return nullptr;
    }
    Complete(Negotiate(request->arguments), {.id = std::move(id), .in_band = false});
    return nullptr;
  }
  if (!negotiated_) {
    AnswerError({ErrorCode::kCommandNotFound,
                 "Expecting capabilities negotiation with 'qmp_capabilities'",
                 {}},
                std::move(id));
    return nullptr;
  }
  Result<const Command*> command = dispatcher_.Resolve(request->command, request->oob);
  if (!command) {
    AnswerError(command.error(), std::move(id));
    return nullptr;
  }
  return *command;
}

void Session::Execute(Message message, bool in_band) {
  if (!message.value) return AnswerError(message.value.error(), std::nullopt);
  std::optional<json::Value> id = TakeId(*message.value);
  Result<Request> request = CheckRequest(std::move(*message.value), oob_enabled_);
  const Command* command = Resolve(request, id);
  if (command == nullptr) return;
  if (in_band) busy_ = true;
  Pending pending{.id = std::move(id),
                  .success_response = command->success_response,
                  .in_band = in_band,
                  .after_turn = in_band && !command->only_asks};
  const FdSpan outer = std::exchange(current_, message.chunks);
  const bool was_invoking = std::exchange(invoking_, in_band);
  dispatcher_.Run(
      *command, *this, std::move(request->arguments),
      [self = weak_from_this(), pending = std::move(pending)](Result<json::Value> result) mutable {
        const std::shared_ptr<Session> session = self.lock();
        if (session != nullptr) {
          session->Complete(std::move(result), std::move(pending));
        }
      });
  invoking_ = was_invoking;
  current_ = outer;
}

void Session::Complete(Result<json::Value> result, Pending pending) {
  if (host_ == nullptr) return;
  if (pending.after_turn && invoking_ && result) {
    pending.after_turn = false;
    held_.emplace(Held{std::move(result), std::move(pending)});
    return host_->ReleaseReplySoon();
  }
  if (pending.in_band) busy_ = false;
  if (!result) {
    AnswerError(result.error(), std::move(pending.id));
  } else if (pending.success_response) {
    AppendReturn(output_, std::move(*result), std::move(pending.id), pretty_);
  }
  if (!inside_) host_->SessionReady();
}

void Session::ReleaseReply() {
  if (std::optional<Held> held = std::exchange(held_, std::nullopt)) {
    inside_ = true;
    Complete(std::move(held->result), std::move(held->pending));
    inside_ = false;
  }
}

Result<json::Value> Session::Negotiate(const json::Object& arguments) {
  Result<bool> oob = DecodeEnable(arguments);
  if (!oob) return Fail(std::move(oob).error());
  if (negotiated_) {
    return Fail(ErrorCode::kCommandNotFound,
                "Capabilities negotiation is already complete, command ignored");
  }
  negotiated_ = true;
  oob_enabled_ = *oob;
  return json::Value(json::Object());
}

void Session::OutputSent() {
  event_bytes_ = std::min(event_bytes_, output_.size());
  if (!output_.empty()) return;
  if (output_.capacity() > kHighWater) output_ = std::string();
  choked_ = false;
}

void Session::DeliverEvent(std::string_view message) {
  if (host_ == nullptr) return;
  output_ += message;
  event_bytes_ += message.size();
  if (event_bytes_ >= kMaxEventBytes / 2) host_->WriteNow();
  if (event_bytes_ > kMaxEventBytes) {
    SessionHost* const host = host_;
    Close();
    return host->SessionOverflowed();
  }
  if (!inside_) host_->SessionReady();
}

}  // namespace davit::qmp
