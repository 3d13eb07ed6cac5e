// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Write(): the text format of QEMU's monitor, byte for byte (blank after ':' and ',', escapes in
// upper-case hex, "%.17g" doubles), which RapidJSON's writers cannot be told to produce.
#include <charconv>
#include <cstdio>

#include "schema/runtime/json/json.h"

namespace davit::json {
namespace {

void AppendHex4(std::string& out, uint32_t code_unit) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  const char text[6] = {'\\',
                        'u',
                        kDigits[code_unit >> 12 & 15],
                        kDigits[code_unit >> 8 & 15],
                        kDigits[code_unit >> 4 & 15],
                        kDigits[code_unit & 15]};
  out.append(text, sizeof text);
}

void AppendCodePoint(std::string& out, uint32_t code_point) {
  if (code_point < 0x10000) {
    AppendHex4(out, code_point);
  } else {
    AppendHex4(out, 0xd800 + ((code_point - 0x10000) >> 10));
    AppendHex4(out, 0xdc00 + ((code_point - 0x10000) & 0x3ff));
  }
}

// Decodes the sequence at s[i] and moves i past it; U+FFFD for a byte that starts none.
uint32_t NextCodePoint(std::string_view s, size_t& i) {
  const auto byte = [&](size_t at) { return static_cast<unsigned char>(s[at]); };
  const unsigned char lead = byte(i);
  const size_t length = lead >= 0xf0 && lead < 0xf5 ? 4 : lead >= 0xe0 ? 3 : 2;
  constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (lead < 0xc2 || lead > 0xf4 || s.size() - i < length) {
    ++i;
    return 0xfffd;
  }
  uint32_t code_point = lead & (0xff >> (length + 1));
  for (size_t k = 1; k < length; ++k) {
    if ((byte(i + k) & 0xc0) != 0x80) {
      i += k;
      return 0xfffd;
    }
    code_point = code_point << 6 | (byte(i + k) & 0x3f);
  }
  i += length;
  const bool surrogate = code_point >= 0xd800 && code_point < 0xe000;
  return code_point < kSmallest[length] || code_point > 0x10ffff || surrogate ? 0xfffd : code_point;
}

void AppendControl(std::string& out, unsigned char c) {
  switch (c) {
    case '"':
      out += "\\\"";
      break;
    case '\\':
      out += "\\\\";
      break;
    case '\b':
      out += "\\b";
      break;
    case '\f':
      out += "\\f";
      break;
    case '\n':
      out += "\\n";
      break;
    case '\r':
      out += "\\r";
      break;
    case '\t':
      out += "\\t";
      break;
    default:
      AppendHex4(out, c);
  }
}

void AppendString(std::string& out, std::string_view s) {
  out += '"';
  size_t plain = 0;  // start of the run that needs no escape
  for (size_t i = 0; i < s.size();) {
    const auto c = static_cast<unsigned char>(s[i]);
    if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
      ++i;
      continue;
    }
    out.append(s, plain, i - plain);
    if (c < 0x80) {
      AppendControl(out, c);
      ++i;
    } else {
      AppendCodePoint(out, NextCodePoint(s, i));
    }
    plain = i;
  }
  out.append(s, plain, s.size() - plain);
  out += '"';
}

template <typename T>
void AppendInteger(std::string& out, T n) {
  char text[24];
  const auto end = std::to_chars(text, text + sizeof text, n).ptr;
  out.append(text, static_cast<size_t>(end - text));
}

void AppendDouble(std::string& out, double d) {
  char text[40];
  const int n = std::snprintf(text, sizeof text, "%.17g", d);
  out.append(text, static_cast<size_t>(n));
}

class Writer {
 public:
  Writer(std::string& out, bool pretty) : out_(out), pretty_(pretty) {}

  void Append(const Value& value) {
    switch (value.type()) {
      case Type::kNull:
        out_ += "null";
        break;
      case Type::kBool:
        out_ += *value.AsBool() ? "true" : "false";
        break;
      case Type::kInt:
        AppendInteger(out_, *value.AsInt());
        break;
      case Type::kUint:
        AppendInteger(out_, *value.AsUint());
        break;
      case Type::kDouble:
        AppendDouble(out_, *value.AsDouble());
        break;
      case Type::kString:
        AppendString(out_, *value.AsString());
        break;
      case Type::kArray:
        AppendArray(*value.AsArray());
        break;
      case Type::kObject:
        AppendObject(*value.AsObject());
        break;
    }
  }

 private:
  void AppendArray(const Array& array) {
    Begin('[');
    bool first = true;
    for (const Value& element : array) {
      Separate(first);
      Append(element);
    }
    End(']');
  }

  void AppendObject(const Object& object) {
    Begin('{');
    bool first = true;
    for (const auto& [name, member] : object.members()) {
      Separate(first);
      AppendString(out_, name);
      out_ += ": ";
      Append(member);
    }
    End('}');
  }

  void Begin(char bracket) {
    out_ += bracket;
    ++depth_;
  }
  void End(char bracket) {
    --depth_;
    if (pretty_) NewLine();
    out_ += bracket;
  }
  void Separate(bool& first) {
    if (!first) out_ += pretty_ ? "," : ", ";
    if (pretty_) NewLine();
    first = false;
  }
  void NewLine() {
    out_ += '\n';
    out_.append(4 * depth_, ' ');
  }

  std::string& out_;
  const bool pretty_;
  size_t depth_ = 0;
};

}  // namespace

void WriteTo(std::string& out, const Value& value) { Writer(out, false).Append(value); }

std::string Write(const Value& value) {
  std::string out;
  WriteTo(out, value);
  return out;
}

std::string WritePretty(const Value& value) {
  std::string out;
  Writer(out, true).Append(value);
  return out;
}

}  // namespace davit::json
