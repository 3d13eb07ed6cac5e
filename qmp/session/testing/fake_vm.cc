// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See the header.
#include "qmp/session/testing/fake_vm.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

namespace davit::qmp::testing {
namespace {

using Context = qapi::CommandContext;
using Done = qapi::Completion<json::Value>;
using Entry = qapi::BasicCommandEntry<FakeHandlers>;

void QueryName(const FakeHandlers& h, Context&, json::Object arguments, Done done) {
  h.calls.push_back("query-name");
  const Status status = qapi::DecodeNothing(arguments);
  if (!status) return done(Fail(status.error()));
  done(json::Value(json::Object()));
}

void Echo(const FakeHandlers& h, Context&, json::Object arguments, Done done) {
  h.calls.push_back("echo");
  done(json::Value(std::move(arguments)));
}

void FailAlways(const FakeHandlers&, Context&, json::Object, Done done) {
  done(Fail(ErrorCode::kDeviceNotFound, "Device 'x' not found"));
}

void Hold(const FakeHandlers& h, Context&, json::Object, Done done) {
  h.calls.push_back("hold");
  h.held.push_back(std::move(done));
}

void Release(const FakeHandlers& h, Context&, json::Object, Done done) {
  h.calls.push_back("release");
  if (h.held.empty()) return done(Fail("nothing is held"));
  Done first = std::move(h.held.front());
  h.held.pop_front();
  first(json::Value(json::Object{{"held", true}}));
  done(json::Value(json::Object()));
}

void TakeFd(const FakeHandlers&, Context& context, json::Object, Done done) {
  const Result<UniqueFd> fd = context.TakeFd();
  if (!fd) return done(Fail(fd.error()));
  struct stat status {};
  fstat(fd->get(), &status);
  done(json::Value(json::Object{{"inode", static_cast<int64_t>(status.st_ino)}}));
}

std::string NameIn(const json::Object& arguments) {
  const json::Value* name = arguments.Find("fdname");
  return name == nullptr || !name->is_string() ? "" : *name->AsString();
}

void GetFd(const FakeHandlers&, Context& context, json::Object arguments, Done done) {
  Result<UniqueFd> fd = context.TakeFd();
  if (!fd) return done(Fail(fd.error()));
  const Status status = context.named_fds().Set(NameIn(arguments), std::move(*fd));
  if (!status) return done(Fail(status.error()));
  done(json::Value(json::Object()));
}

void CloseFd(const FakeHandlers&, Context& context, json::Object arguments, Done done) {
  const Status status = context.named_fds().Close(NameIn(arguments));
  if (!status) return done(Fail(status.error()));
  done(json::Value(json::Object()));
}

void Stop(const FakeHandlers& h, Context&, json::Object, Done done) {
  h.events->Emit({"STOP", {}, false});
  done(json::Value(json::Object()));
}

void Reset(const FakeHandlers& h, Context&, json::Object, Done done) {
  if (h.post) h.post([events = h.events] { events->Emit({"RESET", {}, false}); });
  done(json::Value(json::Object()));
}

void Emit(const FakeHandlers& h, Context&, json::Object arguments, Done done) {
  const json::Value* count = arguments.Find("count");
  if (count == nullptr || count->AsInt() == nullptr) return done(Fail("Parameter 'count'"));
  for (int64_t i = 0; i < std::min<int64_t>(*count->AsInt(), 100'000); ++i) {
    h.events->Emit({"RESET", json::Object{{"n", i}, {"pad", std::string(100, 'x')}}, true});
  }
  done(json::Value(json::Object()));
}

constexpr Entry kCommands[] = {
    {"closefd", false, false, true, false, 0, &CloseFd},
    {"early", false, true, true, false, 0, &Echo},
    {"echo", false, false, true, false, 0, &Echo},
    {"emit", false, false, true, false, 0, &Emit},
    {"fail", false, false, true, false, 0, &FailAlways},
    {"getfd", false, false, true, false, 0, &GetFd},
    {"hold", false, false, true, true, 0, &Hold},
    {"oob", true, false, true, false, 0, &Echo},
    {"paused-only", false, false, true, false, 1, &Echo},
    {"query-name", false, false, true, false, 0, &QueryName},
    {"release", true, false, true, false, 0, &Release},
    {"reset", false, false, true, false, 0, &Reset},
    {"silent", false, false, false, false, 0, &Echo},
    {"stop", false, false, true, false, 0, &Stop},
    {"take-fd", false, false, true, false, 0, &TakeFd},
};

}  // namespace

std::span<const Entry> FakeCommands() { return kCommands; }

}  // namespace davit::qmp::testing
