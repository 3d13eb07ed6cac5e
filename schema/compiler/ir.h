// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The intermediate representation: what the checker hands to the emitters, const from then on.
// Everything is resolved (types are pointers), checked (an emitter needs no error path) and already
// configured: what an `if` condition excludes under the given --define set is not in here, so
// that introspection, documentation and code agree (docs/adr, "conditionals at compile time").
// Modules, definitions and members keep the order of the schema text; nothing depends on pointer
// values or hash order, so output is byte-stable. Owner thread: none, immutable values.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace davit::schema {

struct Location {
  std::string file;  // as the user or an include directive spelled it, relative to the run
  int line = 0;
};

// --- documentation -----------------------------------------------------------------

// A tagged section of a doc comment ("Returns", "Since", "Note", "Notes", "Example", "Examples",
// "TODO"), or untagged text that follows the members or another section (tag empty).
struct DocSection {
  std::string tag;
  std::string text;  // lines joined by '\n', common indentation removed, no trailing newline
};

struct Doc {
  bool present = false;
  std::string body;                  // text before the first member or section
  std::vector<DocSection> sections;  // in order
  std::string since;                 // text of the Since section, for instance "1.2"
};

// A doc comment that belongs to no definition. `heading` 1: "= Title", 2: "== Title", 0: plain.
struct FreeDoc {
  int heading = 0;
  std::string title;
  std::string text;
  Location where;
};

// --- types -------------------------------------------------------------------------

struct Module;
struct Type;

struct Feature {
  std::string name;
  std::string doc;
};

struct EnumValue {
  std::string name;
  std::vector<Feature> features;
  std::string doc;
};

// A member of a struct, of a union's base or an argument of a command or event.
struct Member {
  std::string name;  // without the '*'
  const Type* type = nullptr;
  bool optional = false;
  // The type contains itself by value through this member (arrays do not count): C++ needs a
  // pointer here. Only the edge that closes the cycle in a depth-first walk is marked.
  bool indirect = false;
  std::vector<Feature> features;
  std::string doc;
  // davit's own keys, for properties of devices: the value when none is given, as the command line
  // would spell it, and what a string or integer stands for ("pci-address", "mac",
  // "link<rng-backend>"; empty: itself).
  std::optional<std::string> initial;
  std::string format;
};

// A branch of a union (name: value of the discriminator) or an alternative of an alternate.
// Unions list every value of the discriminator: first those the schema names, then the others in
// enum order with type = Schema::empty_object.
struct Branch {
  std::string name;
  const Type* type = nullptr;
  bool indirect = false;  // as Member::indirect
  std::string doc;        // alternates only
};

enum class TypeKind : uint8_t { kBuiltin, kEnum, kArray, kStruct, kUnion, kAlternate };

enum class Builtin : uint8_t {
  kStr,
  kNumber,
  kInt,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kUint8,
  kUint16,
  kUint32,
  kUint64,
  kSize,
  kBool,
  kNull,
  kAny,
};

// One record for all kinds; the comment says for which kind a field is filled.
struct Type {
  TypeKind kind = TypeKind::kBuiltin;
  std::string name;  // "str", "RunState", "RunStateList" (array), "q_obj_stop-arg" (implicit)
  // True for arrays and for the anonymous types of inline arguments ("q_obj_<name>-arg") and inline
  // union bases ("q_obj_<name>-base"), which schema text cannot name.
  bool implicit = false;
  const Module* module = nullptr;  // null for built-in types and their arrays
  Location where;
  Doc doc;
  std::vector<Feature> features;

  Builtin builtin = Builtin::kStr;  // builtin
  std::vector<EnumValue> values;    // enum
  std::string prefix;               // enum: the `prefix` key, may be empty
  const Type* element = nullptr;    // array
  const Type* base = nullptr;       // struct, union; may be null (struct)
  std::vector<Member> own_members;  // struct: without the base's (a union has none of its own)
  std::vector<Member> members;      // struct, union: all, base's first (flattened)
  size_t discriminator = 0;         // union: index in `members`; its type is an enum
  std::vector<Branch> branches;     // union, alternate

  bool IsObject() const { return kind == TypeKind::kStruct || kind == TypeKind::kUnion; }
  // No members at all ("q_empty" or an empty struct).
  bool IsEmptyObject() const { return kind == TypeKind::kStruct && members.empty(); }
};

// --- commands and events -------------------------------------------------------------

struct Command {
  std::string name;
  const Module* module = nullptr;
  Location where;
  Doc doc;
  std::vector<Feature> features;
  // Null when there are no arguments. Implicit struct for inline `data`; a named struct otherwise,
  // or with boxed a struct or union.
  const Type* arguments = nullptr;
  const Type* returns = nullptr;  // null: replies with {}
  std::string returns_doc;        // text of the Returns section
  bool boxed = false;
  bool gen = true;  // false: the handler sees raw JSON (arguments json::Object -> json::Value)
  bool success_response = true;
  bool allow_oob = false;
  bool allow_preconfig = false;
  bool coroutine = false;
  // davit's own key: names of RunState values in which the command is legal, empty = in any. The
  // checker made sure that enum RunState exists and has them.
  std::vector<std::string> run_states;
};

struct Event {
  std::string name;
  const Module* module = nullptr;
  Location where;
  Doc doc;
  std::vector<Feature> features;
  const Type* arguments = nullptr;  // as Command::arguments
  bool boxed = false;
};

// --- devices: davit's own kind of definition ---------------------------------------------

// What `device` says besides the name.
struct DeviceKeys {
  std::string bus;                    // the type of bus that it sits on: "PCI", "virtio-bus"
  std::string category;               // of "-device help": "storage", "network", ...
  std::string alias;                  // another name that -device takes; may be empty
  std::string desc;                   // for the list of devices; may be empty
  std::string parent;                 // the type that it is a kind of; empty: its bus says it
  std::vector<std::string> variants;  // other drivers that are the same device
};

struct Device {
  std::string name;  // "virtio-rng-pci"
  const Module* module = nullptr;
  Location where;
  Doc doc;
  DeviceKeys keys;
  // Structs whose members together are the properties: distinct names, all optional, scalars.
  std::vector<const Type*> properties;
};

// --- the whole -----------------------------------------------------------------------

using Item = std::variant<const FreeDoc*, const Type*, const Command*, const Event*, const Device*>;

// One schema file.
struct Module {
  std::string path;                // "schema/qapi/run-state.json"
  std::string name;                // "run-state"
  std::vector<Item> items;         // what stands in the text, in its order (no implicit types)
  std::vector<const Type*> types;  // in text order, implicit structs before their user; no arrays
  std::vector<const Command*> commands;  // in text order
  std::vector<const Event*> events;      // in text order
  std::vector<const Device*> devices;    // in text order
};

// Move-only owner of everything. `modules` is in order of first inclusion, the root file first
// (depth-first, as the text is read).
struct Schema {
  std::vector<std::unique_ptr<Module>> modules;
  std::vector<const Type*> builtins;   // order of enum Builtin
  const Type* empty_object = nullptr;  // "q_empty"
  // Enums, structs, unions, alternates and implicit structs of all modules such that a type comes
  // after every type it holds by value (see Member::indirect), else in text order.
  std::vector<const Type*> types;
  std::vector<const Type*> arrays;  // in order of first use

  const Type* FindType(std::string_view name) const;        // null when absent
  const Command* FindCommand(std::string_view name) const;  // null when absent
  const Event* FindEvent(std::string_view name) const;

  // Storage; emitters have no business here.
  std::vector<std::unique_ptr<Type>> type_storage;
  std::vector<std::unique_ptr<Command>> command_storage;
  std::vector<std::unique_ptr<Event>> event_storage;
  std::vector<std::unique_ptr<Device>> device_storage;
  std::vector<std::unique_ptr<FreeDoc>> doc_storage;
};

// A stable text form of the IR; the golden tests compare it.
std::string DumpSchema(const Schema& schema);

}  // namespace davit::schema
