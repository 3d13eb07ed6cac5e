// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Schema files, places in them, and the one way to report an error about them. Inside this package
// an error is the exception CompileError, thrown by Raise(); compile.h catches it at the package's
// edge. The text is "FILE:LINE[:COLUMN]: [In command 'x': ]REASON", after one "In file included
// from FILE:LINE:" line for each file on the way from the root.
#pragma once

#include <deque>
#include <exception>
#include <functional>
#include <string>
#include <string_view>

#include "vmm/base/error.h"

namespace davit::schema {

struct SourceFile {
  std::string path;  // as spelled on the command line or by the include directives
  std::string text;  // ends with '\n'
  const SourceFile* parent = nullptr;  // the file whose directive included it
  int include_line = 0;                // of that directive
};

struct Place {
  const SourceFile* file = nullptr;
  int line = 0;
  int column = 0;  // 0: the error concerns the line
};

class CompileError : public std::exception {
 public:
  explicit CompileError(std::string text) : text_(std::move(text)) {}
  const char* what() const noexcept override { return text_.c_str(); }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

// `definition` is "command 'x'" or empty.
std::string DescribePlace(const Place& place, std::string_view definition);
[[noreturn]] void Raise(const Place& place, std::string_view reason);
[[noreturn]] void Raise(const Place& place, std::string_view definition, std::string_view reason);

// Printable form of bytes of a schema file for a message; at most 40 bytes of it.
std::string Printable(std::string_view bytes);

// Reads a whole file. The Error's message is the bare cause, "No such file or directory".
using FileReader = std::function<Result<std::string>(const std::string& path)>;
Result<std::string> ReadFileFromDisk(const std::string& path);

// True when `text` is UTF-8; else *offset is where it stops being so.
bool IsUtf8(std::string_view text, size_t* offset);

}  // namespace davit::schema
