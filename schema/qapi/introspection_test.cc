// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What query-qmp-schema tells: it keeps its own schema, it lists what the command table has, and
// for every command and event that davit has it says what QEMU 7.2 says (type names apart, which
// are masked numbers). The comparison asks the installed qemu-system-x86_64 and is skipped without
// it.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>

#include "schema/qapi/codecs.h"
#include "schema/qapi/commands.h"
#include "schema/qapi/introspect.h"
#include "schema/runtime/json/json.h"

namespace davit::qapi {
namespace {

using Entries = std::map<std::string, const json::Value*, std::less<>>;

const json::Value& Ours() {
  static const json::Value value = json::Parse(IntrospectionJson()).value_or(json::Value());
  return value;
}

std::string Text(const json::Value& value) {
  const std::string* text = value.AsString();
  return text == nullptr ? "" : *text;
}

const json::Array& Items(const json::Value& value) {
  static const json::Array none;
  const json::Array* array = value.AsArray();
  return array == nullptr ? none : *array;
}

Entries Index(const json::Value& entries) {
  Entries index;
  for (const json::Value& entry : Items(entries)) index[Text(entry["name"])] = &entry;
  return index;
}

TEST(Introspection, KeepsItsOwnSchema) {
  const auto decoded = Decode<std::vector<SchemaInfo>>(Ours(), "return");
  ASSERT_TRUE(decoded.has_value()) << decoded.error().message;
  EXPECT_EQ(decoded->size(), Items(Ours()).size());
}

TEST(Introspection, NamesAreDistinct) {
  EXPECT_EQ(Index(Ours()).size(), Items(Ours()).size());
  EXPECT_GT(Items(Ours()).size(), 0u);
}

void CollectReferences(const json::Value& value, std::set<std::string>& out) {
  for (const char* key : {"arg-type", "ret-type", "element-type", "type"}) {
    const std::string name = Text(value[key]);
    if (!name.empty()) out.insert(name);
  }
  for (const char* key : {"members", "variants"}) {
    for (const json::Value& item : Items(value[key])) CollectReferences(item, out);
  }
}

TEST(Introspection, ListsExactlyTheTypesThatAreUsed) {
  std::set<std::string> used;
  for (const json::Value& entry : Items(Ours())) CollectReferences(entry, used);
  std::set<std::string> listed;
  for (const auto& [name, entry] : Index(Ours())) {
    const std::string meta = Text((*entry)["meta-type"]);
    if (meta != "command" && meta != "event") listed.insert(name);
  }
  EXPECT_EQ(used, listed);
}

TEST(Introspection, CommandTableAgrees) {
  std::set<std::string> introspected;
  for (const auto& [name, entry] : Index(Ours())) {
    if (Text((*entry)["meta-type"]) != "command") continue;
    introspected.insert(name);
    const CommandEntry* command = FindCommand(name);
    ASSERT_NE(command, nullptr) << name;
    EXPECT_EQ((*entry)["allow-oob"] == json::Value(true), command->allow_oob) << name;
  }
  EXPECT_EQ(introspected.size(), Commands().size());
}

// --- beside QEMU ---------------------------------------------------------------------

// Paths at which davit offers less than QEMU on purpose: fewer values and branches, or a member
// less, of what a client sends.
const std::set<std::string> kOffersLess = {
    "chardev-add.arguments/backend",
    "chardev-add.arguments/backend/type",
    "chardev-add.arguments/backend/?file/data",
    "chardev-add.arguments/backend/?mux/data",
    "chardev-add.arguments/backend/?pipe/data",
    "chardev-add.arguments/backend/?pty/data",
    "chardev-add.arguments/backend/?ringbuf/data",
    "chardev-add.arguments/backend/?socket/data",
    "chardev-add.arguments/backend/?stdio/data",
    "chardev-add.arguments/backend/?udp/data",
    "chardev-add.arguments/backend/?socket/data/addr",
    "chardev-add.arguments/backend/?socket/data/addr/type",
    "chardev-add.arguments/backend/?socket/data/addr/?inet/data",
    "blockdev-add.arguments",
    "blockdev-add.arguments/driver",
    "blockdev-add.arguments/?file",
    "query-block.return[]/inserted/image",
    "query-memory-devices.return[]",
    "query-memory-devices.return[]/type",
    "query-blockstats.return[]/driver-specific",
    "NETDEV_STREAM_CONNECTED.arguments/addr",
    "NETDEV_STREAM_CONNECTED.arguments/addr/?inet",
    "NETDEV_STREAM_CONNECTED.arguments/addr/type",
    "netdev_add.arguments",
    "netdev_add.arguments/?tap",
    "netdev_add.arguments/?user",
    "netdev_add.arguments/type",
    "migrate-set-capabilities.arguments/capabilities[]/capability",
    "object-add.arguments",
    "object-add.arguments/qom-type",
    "object-add.arguments/?memory-backend-file",
};

// What davit has beyond QEMU 7.2 (docs/differences.md): commands, and later QEMUs' members of
// arguments.
const std::set<std::string> kOffersMore = {
    "object-add.arguments/?memory-backend-file/offset",
};

class Comparison {
 public:
  Comparison(const json::Value& ours, const json::Value& theirs)
      : ours_(Index(ours)), theirs_(Index(theirs)) {}

  void Run() {
    for (const auto& [name, entry] : ours_) {
      const std::string meta = Text((*entry)["meta-type"]);
      if (meta != "command" && meta != "event") continue;
      const auto it = theirs_.find(name);
      if (it == theirs_.end()) {
        EXPECT_TRUE(kOffersMore.contains(name)) << "QEMU has no " << meta << " " << name;
        continue;
      }
      CompareKeys(name, *entry, *it->second);
      EXPECT_EQ((*entry)["features"], (*it->second)["features"]) << name;
      EXPECT_EQ((*entry)["allow-oob"], (*it->second)["allow-oob"]) << name;
      CompareTypes(name + ".arguments", Text((*entry)["arg-type"]),
                   Text((*it->second)["arg-type"]));
      if (meta == "command") {
        CompareTypes(name + ".return", Text((*entry)["ret-type"]), Text((*it->second)["ret-type"]));
      }
    }
  }

 private:
  static std::vector<std::string> Keys(const json::Value& value) {
    std::vector<std::string> keys;
    if (const json::Object* object = value.AsObject(); object != nullptr) {
      for (const auto& [key, ignored] : object->members()) keys.push_back(key);
    }
    return keys;
  }

  static void CompareKeys(const std::string& path, const json::Value& ours,
                          const json::Value& theirs) {
    EXPECT_EQ(Keys(ours), Keys(theirs)) << path;
  }

  void CompareTypes(const std::string& path, const std::string& our_name,
                    const std::string& their_name) {
    if (!compared_.insert({our_name, their_name}).second) return;
    const auto our = ours_.find(our_name);
    const auto their = theirs_.find(their_name);
    ASSERT_TRUE(our != ours_.end() && their != theirs_.end()) << path;
    const json::Value& ours = *our->second;
    const json::Value& theirs = *their->second;
    CompareKeys(path, ours, theirs);
    const std::string meta = Text(ours["meta-type"]);
    ASSERT_EQ(meta, Text(theirs["meta-type"])) << path;
    EXPECT_EQ(ours["features"], theirs["features"]) << path;
    EXPECT_EQ(ours["json-type"], theirs["json-type"]) << path;
    EXPECT_EQ(ours["tag"], theirs["tag"]) << path;
    if (meta == "array") {
      CompareTypes(path + "[]", Text(ours["element-type"]), Text(theirs["element-type"]));
    } else if (meta == "alternate") {
      const auto& a = Items(ours["members"]);
      const auto& b = Items(theirs["members"]);
      ASSERT_EQ(a.size(), b.size()) << path;
      for (size_t i = 0; i < a.size(); ++i) {
        CompareTypes(path + "|", Text(a[i]["type"]), Text(b[i]["type"]));
      }
    } else {
      CompareLists(path, "name", "/", Items(ours["members"]), Items(theirs["members"]));
      CompareLists(path, "case", "/?", Items(ours["variants"]), Items(theirs["variants"]));
    }
  }

  // Members, values or branches: the same ones in the same order, or a part of QEMU's.
  void CompareLists(const std::string& path, const char* key, const char* separator,
                    const json::Array& ours, const json::Array& theirs) {
    std::map<std::string, const json::Value*> by_name;
    std::vector<std::string> our_names;
    std::vector<std::string> their_names;
    for (const json::Value& item : theirs) {
      by_name[Text(item[key])] = &item;
      their_names.push_back(Text(item[key]));
    }
    for (const json::Value& item : ours) our_names.push_back(Text(item[key]));
    if (!kOffersLess.contains(path)) {
      EXPECT_EQ(our_names, their_names) << path;
    }
    for (const json::Value& item : ours) {
      const std::string here = path + separator + Text(item[key]);
      const auto it = by_name.find(Text(item[key]));
      if (it == by_name.end()) {
        if (!kOffersMore.contains(here)) ADD_FAILURE() << "QEMU has no " << here;
        continue;
      }
      CompareKeys(here, item, *it->second);
      EXPECT_EQ(item["default"], (*it->second)["default"]) << here;
      EXPECT_EQ(item["features"], (*it->second)["features"]) << here;
      const std::string type = Text(item["type"]);
      if (!type.empty()) CompareTypes(here, type, Text((*it->second)["type"]));
    }
  }

  Entries ours_;
  Entries theirs_;
  std::set<std::pair<std::string, std::string>> compared_;
};

// The lines that QEMU sends: greeting, and replies to qmp_capabilities and query-qmp-schema.
std::vector<json::Value> AskQemu() {
  constexpr char kCommand[] =
      "printf '%s' '{\"execute\":\"qmp_capabilities\"}{\"execute\":\"query-qmp-schema\"}"
      "{\"execute\":\"quit\"}' | timeout 50 qemu-system-x86_64 -machine none -nodefaults "
      "-display none -qmp stdio 2>/dev/null";
  FILE* pipe = popen(kCommand, "r");
  std::string text;
  std::array<char, 65536> buffer;
  while (const size_t n = fread(buffer.data(), 1, buffer.size(), pipe)) {
    text.append(buffer.data(), n);
  }
  pclose(pipe);
  std::vector<json::Value> lines;
  for (size_t start = 0, end; (end = text.find('\n', start)) != std::string::npos;
       start = end + 1) {
    Result<json::Value> line = json::Parse(text.substr(start, end - start));
    if (line) lines.push_back(std::move(*line));
  }
  return lines;
}

TEST(Introspection, SaysWhatQemuSays) {
  if (std::system("command -v qemu-system-x86_64 >/dev/null") != 0) {
    GTEST_SKIP() << "qemu-system-x86_64 is not installed";
  }
  const std::vector<json::Value> lines = AskQemu();
  ASSERT_GE(lines.size(), 3u) << "qemu-system-x86_64 did not answer";
  const json::Value& version = lines[0]["QMP"]["version"]["qemu"];
  if (!(version["major"] == json::Value(7) && version["minor"] == json::Value(2))) {
    GTEST_SKIP() << "qemu-system-x86_64 is not version 7.2";
  }
  Comparison(Ours(), lines[2]["return"]).Run();
}

}  // namespace
}  // namespace davit::qapi
