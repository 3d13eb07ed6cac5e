// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// How messages name definitions and members.
#include "schema/compiler/model.h"

#include <fmt/format.h>

namespace davit::schema {

std::string_view MetaName(Meta meta) {
  switch (meta) {
    case Meta::kBuiltin:
      return "built-in";
    case Meta::kArray:
      return "array";
    case Meta::kEnum:
      return "enum";
    case Meta::kStruct:
      return "struct";
    case Meta::kUnion:
      return "union";
    case Meta::kAlternate:
      return "alternate";
    case Meta::kCommand:
      return "command";
    case Meta::kEvent:
      return "event";
    case Meta::kDevice:
      return "device";
  }
  return "";
}

std::string Definition::Context() const {
  return fmt::format("{} '{}'", MetaName(text_meta), text_name);
}

std::string Definition::Describe() const {
  if (meta == Meta::kCommand || meta == Meta::kEvent || meta == Meta::kDevice) {
    return fmt::format("{} '{}'", MetaName(meta), name);
  }
  if (meta == Meta::kArray) return fmt::format("array type ['{}']", element->name);
  return fmt::format("{} type '{}'", MetaName(meta), name);
}

std::string DescribeMember(const ModelMember& member, std::string_view role, const Definition& in) {
  const Definition& owner = *member.owner;
  std::string text(role);
  if (owner.implicit && role == "member") {
    text = owner.text_meta == Meta::kUnion ? "base member" : "parameter";
  }
  text += fmt::format(" '{}'", member.name);
  if (owner.text_name != in.text_name) {
    const bool is_type = owner.text_meta != Meta::kCommand && owner.text_meta != Meta::kEvent;
    text +=
        fmt::format(" of {} '{}'", is_type ? "type" : MetaName(owner.text_meta), owner.text_name);
  }
  return text;
}

}  // namespace davit::schema
