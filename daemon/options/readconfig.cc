// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// -readconfig FILE: QEMU's config files. `[group]` or `[group "id"]` begins a list, `key = "value"`
// lines fill it, '#' begins a comment line. Each group goes through the same row as its option.
#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>

#include "daemon/options/table.h"

namespace davit::daemon {
namespace {

constexpr size_t kMaxLine = 1024;  // bytes; QEMU's limit

struct Group {
  const OptionRow* row;
  ParamList list;
  unsigned line;  // the last line seen
};

const OptionRow* FindGroup(std::string_view group) {
  for (const OptionRow& row : OptionTable()) {
    if (row.schema != nullptr && !group.empty() && row.schema->group == group) return &row;
  }
  return nullptr;
}

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r";
  const size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

// The text between the quotes of `"text"`; nullopt when it is not that.
std::optional<std::string_view> Unquote(std::string_view text) {
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') return std::nullopt;
  text = text.substr(1, text.size() - 2);
  if (text.find('"') != std::string_view::npos) return std::nullopt;
  return text;
}

class Reader {
 public:
  Reader(ParseContext& context, const std::string& path) : context_(context), path_(path) {}

  Status Run() {
    std::ifstream file(path_);
    if (!file) {
      return Fail(fmt::format("Could not open '{}': {}", path_, std::strerror(errno)));
    }
    std::string line;
    while (std::getline(file, line)) {
      ++line_;
      if (line.size() > kMaxLine) return At(line_, "line is too long");
      DAVIT_TRY(Line(Trim(line)));
    }
    // A folder opens, and cannot be read.
    if (file.bad()) {
      return Fail(fmt::format("Cannot read config file: {}", std::strerror(errno)));
    }
    return Flush();
  }

 private:
  Status At(unsigned line, const std::string& reason) const {
    return Fail(fmt::format("{}:{}: {}", path_, line, reason));
  }

  Status Line(std::string_view line) {
    if (line.empty() || line.front() == '#') return {};
    if (line.front() == '[') return Header(line);
    const size_t equals = line.find('=');
    const auto value =
        equals == std::string_view::npos ? std::nullopt : Unquote(Trim(line.substr(equals + 1)));
    if (!value) return At(line_, "parse error");
    if (!group_) return At(line_, "no group defined");
    group_->list.Add(std::string(Trim(line.substr(0, equals))), std::string(*value));
    group_->line = line_;
    return {};
  }

  Status Header(std::string_view line) {
    DAVIT_TRY(Flush());
    if (line.back() != ']') return At(line_, "parse error");
    line = Trim(line.substr(1, line.size() - 2));
    const size_t blank = line.find(' ');
    const std::string_view name = line.substr(0, blank);
    const OptionRow* row = FindGroup(name);
    if (row == nullptr) return At(line_, fmt::format("There is no option group '{}'", name));
    group_ = Group{row, {}, line_};
    if (blank != std::string_view::npos) {
      const auto id = Unquote(Trim(line.substr(blank)));
      if (!id) return At(line_, "parse error");
      group_->list.Add("id", std::string(*id));
    }
    return {};
  }

  Status Flush() {
    if (!group_) return {};
    Group group = std::move(*group_);
    group_.reset();
    context_.where = fmt::format("{}:{}", path_, group.line);
    Status status = ApplyRow(context_, *group.row, group.list);
    if (!status) return At(group.line, status.error().message);
    return {};
  }

  ParseContext& context_;
  const std::string& path_;
  unsigned line_ = 0;
  std::optional<Group> group_;
};

}  // namespace

Status ParseReadconfig(ParseContext& context, const std::string& path) {
  const std::string where = context.where;
  Status status = Reader(context, path).Run();
  context.where = where;
  return status;
}

}  // namespace davit::daemon
