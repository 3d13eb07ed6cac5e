// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A session with a host that is no socket: what it writes gathers in output(), which counts as sent
// only when the test takes it. No thread rules.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "qmp/session/session.h"
#include "qmp/session/testing/fake_vm.h"

namespace davit::qmp::testing {

class FakeHost final : public SessionHost {
 public:
  explicit FakeHost(bool pretty = false)
      : commands(FakeCommands(), handlers),
        dispatcher(commands, vm),
        events([this](std::chrono::nanoseconds, std::function<void()> fn) {
          timers.push_back(std::move(fn));
        }),
        session(std::make_shared<Session>(dispatcher, events, *this, 1, pretty)) {
    handlers.events = &events;
    session->Open({7, 2, 0, "test"});
  }
  ~FakeHost() override { session->Close(); }

  void SessionReady() override { ++ready; }
  void WriteNow() override {}
  void ReleaseReplySoon() override { release = true; }
  void SessionOverflowed() override { overflowed = true; }

  // Takes what the session has written.
  std::string Take() {
    std::string text = std::exchange(session->output(), {});
    session->OutputSent();
    return text;
  }
  // Feeds the bytes until the session takes no more; keeps the rest for the next call.
  void Feed(std::string_view bytes, std::vector<UniqueFd> fds = {}) {
    session->BeginChunk(std::move(fds));
    rest += bytes;
    size_t taken = 0;
    do {
      taken = session->Receive(rest);
      rest.erase(0, taken);
      if (std::exchange(release, false)) {
        session->ReleaseReply();
        ++taken;  // what waited behind it runs now
      }
    } while (taken != 0);
  }
  std::string Ask(std::string_view bytes, std::vector<UniqueFd> fds = {}) {
    Feed(bytes, std::move(fds));
    return Take();
  }
  void Negotiate(bool oob = false) {
    Ask(oob ? R"({"execute":"qmp_capabilities","arguments":{"enable":["oob"]}})"
            : R"({"execute":"qmp_capabilities"})");
  }

  FakeVm vm;
  FakeHandlers handlers;
  CommandTable commands;
  Dispatcher dispatcher;
  std::vector<std::function<void()>> timers;
  EventHub events;
  std::shared_ptr<Session> session;
  std::string rest;
  int ready = 0;
  bool release = false;
  bool overflowed = false;
};

}  // namespace davit::qmp::testing
