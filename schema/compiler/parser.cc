// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The parser: JSON-like values, include and pragma directives, attachment of documentation.
#include "schema/compiler/parser.h"

#include <fmt/format.h>

#include <filesystem>
#include <set>
#include <utility>

#include "schema/compiler/doc_parser.h"
#include "schema/compiler/lexer.h"

namespace davit::schema {
namespace {

// Far above what the language can use; keeps hostile input off the stack's end.
constexpr int kMaxNesting = 64;
constexpr int kMaxIncludeNesting = 64;

std::string Canonical(const std::string& path) {
  return std::filesystem::path(path).lexically_normal().string();
}

class Parser {
 public:
  explicit Parser(const FileReader& reader) : reader_(reader) {}

  void ParseRoot(const std::string& path) {
    Result<std::string> text = reader_(path);
    if (!text) {
      throw CompileError(
          fmt::format("can't read schema file '{}': {}", path, text.error().message));
    }
    ParseFile(AddFile(path, std::move(*text), nullptr, 0));
  }

  ParsedSchema Take() { return std::move(out_); }

 private:
  const SourceFile& AddFile(const std::string& path, std::string text, const SourceFile* parent,
                            int line) {
    if (!text.ends_with('\n')) text += '\n';
    out_.files.push_back(SourceFile{path, std::move(text), parent, line});
    const SourceFile& file = out_.files.back();
    known_.insert(Canonical(path));
    size_t offset = 0;
    if (!IsUtf8(file.text, &offset)) {
      const auto lines = std::count(file.text.begin(), file.text.begin() + offset, '\n');
      Raise(Place{&file, static_cast<int>(lines) + 1, 0}, "invalid UTF-8");
    }
    return file;
  }

  void ParseFile(const SourceFile& file) {
    const size_t module = out_.files.size() - 1;
    Lexer lexer(file);
    std::unique_ptr<DocComment> doc;  // the last comment, when nothing followed it yet
    while (!lexer.Is(TokenKind::kEnd)) {
      if (lexer.Is(TokenKind::kComment)) {
        FlushDoc(std::exchange(doc, nullptr), module);
        for (DocComment& one : ParseDocComment(lexer)) {
          FlushDoc(std::exchange(doc, nullptr), module);
          doc = std::make_unique<DocComment>(std::move(one));
        }
        continue;
      }
      Place place = lexer.token().place;
      place.column = 0;
      Node node = ParseValue(lexer, 0);
      if (!node.IsObject()) Raise(place, "top-level expression must be an object");
      if (node.Find("include") != nullptr) {
        FlushDoc(std::exchange(doc, nullptr), module);
        Include(node, place);
      } else if (node.Find("pragma") != nullptr) {
        FlushDoc(std::exchange(doc, nullptr), module);
        Pragma(node, place);
      } else {
        if (doc != nullptr && doc->symbol.empty()) {
          Raise(doc->place, "definition documentation required");
        }
        out_.items.push_back(
            TopLevel{place, module, std::move(node), std::exchange(doc, nullptr), false});
      }
    }
    FlushDoc(std::move(doc), module);
  }

  // A comment that no definition follows must be free-form.
  void FlushDoc(std::unique_ptr<DocComment> doc, size_t module) {
    if (doc == nullptr) return;
    if (!doc->symbol.empty()) {
      Raise(doc->place, fmt::format("documentation for '{}' is not followed by the definition",
                                    Printable(doc->symbol)));
    }
    const Place place = doc->place;
    out_.items.push_back(TopLevel{place, module, Node{}, std::move(doc), true});
  }

  void Include(const Node& node, const Place& place) {
    if (node.entries.size() != 1) Raise(place, "invalid 'include' directive");
    const Node& value = node.entries[0].value;
    if (!value.IsString()) Raise(place, "value of 'include' must be a string");
    const std::string path =
        (std::filesystem::path(place.file->path).parent_path() / value.text).string();
    const std::string canonical = Canonical(path);
    int depth = 0;
    for (const SourceFile* file = place.file; file != nullptr; file = file->parent) {
      if (Canonical(file->path) == canonical) {
        Raise(place, fmt::format("inclusion loop for {}", value.text));
      }
      if (++depth > kMaxIncludeNesting) Raise(place, "includes are nested too deeply");
    }
    if (known_.contains(canonical)) return;  // a second inclusion changes nothing
    Result<std::string> text = reader_(path);
    if (!text) {
      Raise(place, fmt::format("can't read include file '{}': {}", path, text.error().message));
    }
    ParseFile(AddFile(path, std::move(*text), place.file, place.line));
  }

  void Pragma(const Node& node, const Place& place) {
    if (node.entries.size() != 1) Raise(place, "invalid 'pragma' directive");
    const Node& value = node.entries[0].value;
    if (!value.IsObject()) Raise(place, "value of 'pragma' must be an object");
    Pragmas& pragmas = out_.pragmas;
    for (const auto& [name, setting] : value.entries) {
      if (name == "doc-required") {
        if (!setting.IsBool()) Raise(place, "pragma 'doc-required' must be boolean");
        pragmas.doc_required = setting.flag;
      } else if (name == "command-name-exceptions") {
        pragmas.command_name_exceptions = Strings(name, setting, place);
      } else if (name == "command-returns-exceptions") {
        pragmas.command_returns_exceptions = Strings(name, setting, place);
      } else if (name == "documentation-exceptions") {
        pragmas.documentation_exceptions = Strings(name, setting, place);
      } else if (name == "member-name-exceptions") {
        pragmas.member_name_exceptions = Strings(name, setting, place);
      } else {
        Raise(place, fmt::format("unknown pragma '{}'", name));
      }
    }
  }

  static std::vector<std::string> Strings(const std::string& name, const Node& value,
                                          const Place& place) {
    std::vector<std::string> strings;
    bool good = value.IsArray();
    for (const Node& item : value.items) {
      good = good && item.IsString();
      strings.push_back(item.text);
    }
    if (!good) Raise(place, fmt::format("pragma {} must be a list of strings", name));
    return strings;
  }

  static Node ParseValue(Lexer& lexer, int depth) {
    if (depth > kMaxNesting) lexer.Error("nested too deeply");
    Node node;
    switch (lexer.token().kind) {
      case TokenKind::kLeftBrace:
        lexer.Next();
        ParseEntries(lexer, depth, node);
        return node;
      case TokenKind::kLeftBracket:
        lexer.Next();
        ParseItems(lexer, depth, node);
        return node;
      case TokenKind::kString:
        node.kind = Node::Kind::kString;
        node.text = lexer.token().text;
        break;
      case TokenKind::kTrue:
      case TokenKind::kFalse:
        node.kind = Node::Kind::kBool;
        node.flag = lexer.Is(TokenKind::kTrue);
        break;
      default:
        lexer.Error("expected '{', '[', string, or boolean");
    }
    lexer.Next();
    return node;
  }

  static void ParseEntries(Lexer& lexer, int depth, Node& node) {
    node.kind = Node::Kind::kObject;
    if (lexer.Is(TokenKind::kRightBrace)) {
      lexer.Next();
      return;
    }
    if (!lexer.Is(TokenKind::kString)) lexer.Error("expected string or '}'");
    std::set<std::string> keys;
    for (;;) {
      std::string key = lexer.token().text;
      lexer.Next();
      if (!lexer.Is(TokenKind::kColon)) lexer.Error("expected ':'");
      lexer.Next();
      if (!keys.insert(key).second) lexer.Error(fmt::format("duplicate key '{}'", key));
      node.entries.push_back(Entry{std::move(key), ParseValue(lexer, depth + 1)});
      if (lexer.Is(TokenKind::kRightBrace)) break;
      if (!lexer.Is(TokenKind::kComma)) lexer.Error("expected ',' or '}'");
      lexer.Next();
      if (!lexer.Is(TokenKind::kString)) lexer.Error("expected string");
    }
    lexer.Next();
  }

  static void ParseItems(Lexer& lexer, int depth, Node& node) {
    node.kind = Node::Kind::kArray;
    if (lexer.Is(TokenKind::kRightBracket)) {
      lexer.Next();
      return;
    }
    switch (lexer.token().kind) {
      case TokenKind::kLeftBrace:
      case TokenKind::kLeftBracket:
      case TokenKind::kString:
      case TokenKind::kTrue:
      case TokenKind::kFalse:
        break;
      default:
        lexer.Error("expected '{', '[', ']', string, or boolean");
    }
    for (;;) {
      node.items.push_back(ParseValue(lexer, depth + 1));
      if (lexer.Is(TokenKind::kRightBracket)) break;
      if (!lexer.Is(TokenKind::kComma)) lexer.Error("expected ',' or ']'");
      lexer.Next();
    }
    lexer.Next();
  }

  const FileReader& reader_;
  ParsedSchema out_;
  std::set<std::string> known_;  // canonical paths of files read
};

}  // namespace

ParsedSchema ParseSchema(const std::string& root, const FileReader& reader) {
  Parser parser(reader);
  parser.ParseRoot(root);
  return parser.Take();
}

}  // namespace davit::schema
