// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A line-driven state machine: body, then members, then features, then sections.
#include "schema/compiler/doc_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace davit::schema {
namespace {

constexpr std::array<std::string_view, 7> kTags = {"Returns", "Since",    "Note", "Notes",
                                                   "Example", "Examples", "TODO"};

std::string_view FirstWord(std::string_view line) { return line.substr(0, line.find(' ')); }

// "foo" of "@foo: ..."; an empty view with data() == nullptr when the line is no such line.
std::string_view MemberName(std::string_view line) {
  const std::string_view word = FirstWord(line);
  if (word.size() < 2 || word.front() != '@' || word.back() != ':') return {};
  return word.substr(1, word.size() - 2);
}

// "Since" of "Since: ..."; empty when the line starts no tagged section.
std::string_view Tag(std::string_view line) {
  std::string_view word = FirstWord(line);
  if (!word.ends_with(':')) return {};
  word.remove_suffix(1);
  return std::find(kTags.begin(), kTags.end(), word) == kTags.end() ? std::string_view() : word;
}

bool IsSpace(char c) { return c == ' ' || c == '\t'; }

size_t Indentation(std::string_view line) {
  const size_t n = line.find_first_not_of(" \t");
  return n == std::string_view::npos ? line.size() : n;
}

std::string JoinStripped(std::vector<std::string> lines) {
  while (!lines.empty() && lines.back().empty()) lines.pop_back();
  const auto first =
      std::find_if(lines.begin(), lines.end(), [](const auto& l) { return !l.empty(); });
  return fmt::format("{}", fmt::join(first, lines.end(), "\n"));
}

class DocBuilder {
 public:
  DocBuilder(const Lexer& lexer, const Place& place) : lexer_(lexer) {
    doc_.place = place;
    doc_.place.column = 0;
  }

  bool IsDefinition() const { return !doc_.symbol.empty(); }
  bool IsBlank() const {
    return doc_.heading == 0 &&
           std::all_of(lines_.begin(), lines_.end(), [](const auto& l) { return l.empty(); });
  }

  // `comment` is the whole line with its '#'.
  void AddLine(std::string_view comment) {
    std::string_view line = comment.substr(1);
    if (!line.empty()) {
      if (line.front() != ' ') lexer_.Error("missing space after #");
      line.remove_prefix(1);
    }
    while (!line.empty() && IsSpace(line.back())) line.remove_suffix(1);
    switch (state_) {
      case State::kBody:
        return BodyLine(line);
      case State::kMembers:
      case State::kFeatures:
        return MemberLine(line);
      case State::kSections:
        return SectionLine(line);
    }
  }

  void SetHeading(std::string_view comment) {
    std::string_view line = comment.substr(2);
    const size_t level = line.find_first_not_of('=');
    if (level == std::string_view::npos || line[level] != ' ') return AddLine(comment);
    doc_.heading = static_cast<int>(level);
    line.remove_prefix(level + 1);
    doc_.title = JoinStripped({std::string(line.substr(Indentation(line)))});
    body_started_ = true;
  }

  DocComment Finish() {
    EndPart();
    return std::move(doc_);
  }

 private:
  enum class State : uint8_t { kBody, kMembers, kFeatures, kSections };

  void BodyLine(std::string_view line) {
    if (!IsDefinition()) {
      if (!body_started_ && line.starts_with('@')) {
        if (!line.ends_with(':')) lexer_.Error("line should end with ':'");
        doc_.symbol = line.substr(1, line.size() - 2);
        if (doc_.symbol.empty() || line.size() < 2) lexer_.Error("name required after '@'");
        return;
      }
      body_started_ = true;
      return AppendText(line);
    }
    if (MemberName(line).data() != nullptr || line == "Features:") {
      state_ = State::kMembers;
      return MemberLine(line);
    }
    if (!Tag(line).empty()) return SectionLine(line);
    AppendText(line);
  }

  void MemberLine(std::string_view line) {
    const std::string_view name = MemberName(line);
    if (name.data() != nullptr) {
      auto& parts = state_ == State::kFeatures ? doc_.features : doc_.members;
      for (const DocPart& part : parts) {
        if (part.name == name) {
          lexer_.Error(fmt::format("'{}' parameter name duplicated", Printable(name)));
        }
      }
      if (name.empty()) lexer_.Error("invalid parameter name");
      StartPart(parts, name, line.substr(name.size() + 2));
    } else if (line == "Features:") {
      EndPart();
      part_list_ = nullptr;
      state_ = State::kFeatures;
    } else if (!Tag(line).empty()) {
      SectionLine(line);
    } else if (StartsParagraph(line)) {
      state_ = State::kSections;
      StartPart(doc_.sections, "", "");
      AppendText(line);
    } else {
      AppendText(line);
    }
  }

  void SectionLine(std::string_view line) {
    state_ = State::kSections;
    if (MemberName(line).data() != nullptr || line == "Features:") {
      const std::string& previous = doc_.sections.front().name;
      const std::string where =
          previous.empty() ? "text after the members" : fmt::format("'{}' section", previous);
      lexer_.Error(fmt::format("'{}' can't follow {}", Printable(FirstWord(line)), where));
    }
    const std::string_view tag = Tag(line);
    if (!tag.empty()) {
      if ((tag == "Returns" || tag == "Since") && doc_.FindSection(tag) != nullptr) {
        lexer_.Error(fmt::format("duplicated '{}' section", tag));
      }
      return StartPart(doc_.sections, tag, line.substr(tag.size() + 1));
    }
    if (indent_ != 0 && StartsParagraph(line)) StartPart(doc_.sections, "", "");
    AppendText(line);
  }

  // Not indented, after a blank line (or where no part is open).
  bool StartsParagraph(std::string_view line) const {
    if (line.empty()) return false;
    if (!part_open_) return true;
    return !IsSpace(line.front()) && !lines_.empty() && lines_.back().empty();
  }

  void StartPart(std::vector<DocPart>& parts, std::string_view name, std::string_view header) {
    EndPart();
    parts.push_back(DocPart{std::string(name), ""});
    part_list_ = &parts;
    part_open_ = true;
    header.remove_prefix(Indentation(header));
    indent_ = header.empty() ? 0 : kUnknownIndent;
    if (!header.empty()) lines_.emplace_back(header);
  }

  void EndPart() {
    std::string text = JoinStripped(std::move(lines_));
    lines_.clear();
    if (part_list_ == nullptr) {
      if (!part_open_ && state_ == State::kFeatures) return;
      if (doc_.body.empty()) doc_.body = std::move(text);
    } else {
      if (text.empty()) {
        lexer_.Error(fmt::format("empty doc section '{}'", Printable(part_list_->back().name)));
      }
      part_list_->back().text = std::move(text);
    }
    part_open_ = false;
  }

  void AppendText(std::string_view line) {
    const std::string_view word = line.substr(0, line.find_first_of(" \t"));
    const size_t colon = word.rfind(':');
    if (word.starts_with('@') && colon != std::string_view::npos && colon >= 2) {
      lexer_.Error(fmt::format("'{}' not allowed in free-form documentation",
                               Printable(word.substr(0, colon + 1))));
    }
    if (line.empty()) {
      lines_.emplace_back();
      return;
    }
    if (part_open_ && indent_ != 0) {
      const int found = static_cast<int>(Indentation(line));
      const int least = indent_ == kUnknownIndent ? 1 : indent_;
      if (found < least) {
        lexer_.Error(fmt::format("unexpected de-indent (expected at least {} spaces)", least));
      }
      if (indent_ == kUnknownIndent) indent_ = found;
      line.remove_prefix(static_cast<size_t>(indent_));
    }
    lines_.emplace_back(line);
  }

  static constexpr int kUnknownIndent = -1;  // the next line's indentation will be it

  const Lexer& lexer_;
  DocComment doc_;
  State state_ = State::kBody;
  bool body_started_ = false;
  std::vector<DocPart>* part_list_ = nullptr;  // its last element is being read; null: the body
  bool part_open_ = false;
  int indent_ = 0;
  std::vector<std::string> lines_;
};

}  // namespace

std::vector<DocComment> ParseDocComment(Lexer& lexer) {
  if (lexer.token().text != "##") {
    lexer.Error("junk after '##' at start of documentation comment");
  }
  std::vector<DocComment> docs;
  auto builder = std::make_unique<DocBuilder>(lexer, lexer.token().place);
  for (lexer.Next(true); lexer.Is(TokenKind::kComment); lexer.Next(true)) {
    const std::string& line = lexer.token().text;
    if (line.starts_with("##")) {
      if (line != "##") lexer.Error("junk after '##' at end of documentation comment");
      docs.push_back(builder->Finish());
      lexer.Next();
      return docs;
    }
    if (!line.starts_with("# =")) {
      builder->AddLine(line);
      continue;
    }
    if (builder->IsDefinition()) {
      lexer.Error("unexpected '=' markup in definition documentation");
    }
    if (!builder->IsBlank()) {
      docs.push_back(builder->Finish());
      builder = std::make_unique<DocBuilder>(lexer, lexer.token().place);
    }
    builder->SetHeading(line);
  }
  lexer.Error("documentation comment must end with '##'");
}

}  // namespace davit::schema
