// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What the parser makes of one schema and its includes: the top-level expressions in the order
// of the text, documentation comments attached, pragmas collected. Nothing is interpreted yet.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "schema/compiler/source.h"

namespace davit::schema {

struct Entry;

// A value of the syntax: object, array, string or boolean.
struct Node {
  enum class Kind : uint8_t { kObject, kArray, kString, kBool };

  Kind kind = Kind::kObject;
  bool flag = false;
  std::string text;
  std::vector<Node> items;
  std::vector<Entry> entries;  // in text order, keys distinct

  bool IsObject() const { return kind == Kind::kObject; }
  bool IsArray() const { return kind == Kind::kArray; }
  bool IsString() const { return kind == Kind::kString; }
  bool IsBool() const { return kind == Kind::kBool; }
  const Node* Find(std::string_view key) const;  // null when absent
};

struct Entry {
  std::string key;
  Node value;
};

inline const Node* Node::Find(std::string_view key) const {
  for (const Entry& entry : entries) {
    if (entry.key == key) return &entry.value;
  }
  return nullptr;
}

// A part of a documentation comment. Text has no leading or trailing blank lines.
struct DocPart {
  std::string name;  // of the member or feature, or the tag without its colon; may be empty
  std::string text;
};

struct DocComment {
  Place place;         // of its first line
  std::string symbol;  // empty: free-form
  std::string body;
  std::vector<DocPart> members;
  std::vector<DocPart> features;
  std::vector<DocPart> sections;
  int heading = 0;    // free-form: number of '=' of its first line
  std::string title;  // and what follows them

  const DocPart* FindMember(std::string_view name) const { return Find(members, name); }
  const DocPart* FindFeature(std::string_view name) const { return Find(features, name); }
  const DocPart* FindSection(std::string_view name) const { return Find(sections, name); }

 private:
  static const DocPart* Find(const std::vector<DocPart>& parts, std::string_view name) {
    for (const DocPart& part : parts) {
      if (part.name == name) return &part;
    }
    return nullptr;
  }
};

struct Pragmas {
  bool doc_required = false;
  std::vector<std::string> command_name_exceptions;
  std::vector<std::string> command_returns_exceptions;
  std::vector<std::string> documentation_exceptions;
  std::vector<std::string> member_name_exceptions;
};

// One top-level expression (a definition), or a free-form documentation comment.
struct TopLevel {
  Place place;
  size_t module = 0;                // index in ParsedSchema::files
  Node object;                      // definition
  std::unique_ptr<DocComment> doc;  // of the definition (may be null), or the free-form one
  bool is_doc = false;
};

struct ParsedSchema {
  std::deque<SourceFile> files;  // in order of first inclusion; addresses are stable
  std::vector<TopLevel> items;
  Pragmas pragmas;
};

}  // namespace davit::schema
