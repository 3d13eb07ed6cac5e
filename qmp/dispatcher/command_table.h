// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The command table of a schema, seen without its generated types: what the dispatcher needs to
// know of a command, and a way to run it. Built once from the generated rows; lookup is by hash.
// Owner: control thread.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "schema/runtime/command_context.h"
#include "schema/runtime/command_entry.h"
#include "schema/runtime/completion.h"
#include "schema/runtime/json/value.h"

namespace davit::qmp {

struct Command {
  std::string_view name;
  bool allow_oob = false;
  bool allow_preconfig = false;
  bool success_response = true;
  uint32_t run_states = 0;      // bit n: legal in the n-th run state; 0: in any
  bool only_asks = false;       // "query-...": asks nothing of the VM that would have to be served
  const void* entry = nullptr;  // the generated row

  bool LegalIn(unsigned run_state) const {
    return run_states == 0 || (run_states >> run_state & 1) != 0;
  }
};

class CommandTable {
 public:
  // Both must outlive the table. `entries` is what the generated Commands() returns.
  template <typename Handlers>
  CommandTable(std::span<const qapi::BasicCommandEntry<Handlers>> entries, const Handlers& handlers)
      : handlers_(&handlers), invoke_(&InvokeEntry<Handlers>) {
    commands_.reserve(entries.size());
    for (const auto& e : entries) {
      commands_.push_back({e.name, e.allow_oob, e.allow_preconfig, e.success_response, e.run_states,
                           e.name.starts_with("query-"), &e});
    }
    Index();
  }
  CommandTable(const CommandTable&) = delete;
  CommandTable& operator=(const CommandTable&) = delete;

  // Null when there is no such command.
  const Command* Find(std::string_view name) const;
  void Invoke(const Command& command, qapi::CommandContext& context, json::Object arguments,
              qapi::Completion<json::Value> done) const {
    invoke_(command.entry, handlers_, context, std::move(arguments), std::move(done));
  }
  std::span<const Command> commands() const { return commands_; }

 private:
  using InvokeFn = void (*)(const void* entry, const void* handlers, qapi::CommandContext& context,
                            json::Object arguments, qapi::Completion<json::Value> done);

  template <typename Handlers>
  static void InvokeEntry(const void* entry, const void* handlers, qapi::CommandContext& context,
                          json::Object arguments, qapi::Completion<json::Value> done) {
    static_cast<const qapi::BasicCommandEntry<Handlers>*>(entry)->invoke(
        *static_cast<const Handlers*>(handlers), context, std::move(arguments), std::move(done));
  }
  void Index();

  const void* handlers_;
  InvokeFn invoke_;
  std::vector<Command> commands_;
  std::unordered_map<std::string_view, const Command*> index_;
};

}  // namespace davit::qmp
