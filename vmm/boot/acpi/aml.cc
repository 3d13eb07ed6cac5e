// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// AML encodings.
#include "vmm/boot/acpi/aml.h"

#include <algorithm>

#include "vmm/base/check.h"

namespace davit::boot::aml {
namespace {

// Opcodes (ACPI 6.4, table 20.1).
constexpr uint8_t kZeroOp = 0x00;
constexpr uint8_t kOneOp = 0x01;
constexpr uint8_t kNameOp = 0x08;
constexpr uint8_t kBytePrefix = 0x0a;
constexpr uint8_t kWordPrefix = 0x0b;
constexpr uint8_t kDwordPrefix = 0x0c;
constexpr uint8_t kStringPrefix = 0x0d;
constexpr uint8_t kQwordPrefix = 0x0e;
constexpr uint8_t kScopeOp = 0x10;
constexpr uint8_t kBufferOp = 0x11;
constexpr uint8_t kPackageOp = 0x12;
constexpr uint8_t kMethodOp = 0x14;
constexpr uint8_t kDualNamePrefix = 0x2e;
constexpr uint8_t kMultiNamePrefix = 0x2f;
constexpr uint8_t kExtOpPrefix = 0x5b;
constexpr uint8_t kMutexOp = 0x01;     // after kExtOpPrefix
constexpr uint8_t kAcquireOp = 0x23;   // after kExtOpPrefix
constexpr uint8_t kReleaseOp = 0x27;   // after kExtOpPrefix
constexpr uint8_t kOpRegionOp = 0x80;  // after kExtOpPrefix
constexpr uint8_t kFieldOp = 0x81;     // after kExtOpPrefix
constexpr uint8_t kDeviceOp = 0x82;    // after kExtOpPrefix
constexpr uint8_t kRootChar = 0x5c;
constexpr uint8_t kLocal0Op = 0x60;
constexpr uint8_t kArg0Op = 0x68;
constexpr uint8_t kStoreOp = 0x70;
constexpr uint8_t kAddOp = 0x72;
constexpr uint8_t kSubtractOp = 0x74;
constexpr uint8_t kIncrementOp = 0x75;
constexpr uint8_t kShiftLeftOp = 0x79;
constexpr uint8_t kAndOp = 0x7b;
constexpr uint8_t kOrOp = 0x7d;
constexpr uint8_t kNotifyOp = 0x86;
constexpr uint8_t kCreateDwordFieldOp = 0x8a;
constexpr uint8_t kCreateQwordFieldOp = 0x8f;
constexpr uint8_t kLNotOp = 0x92;
constexpr uint8_t kLEqualOp = 0x93;
constexpr uint8_t kLLessOp = 0x95;
constexpr uint8_t kIfOp = 0xa0;
constexpr uint8_t kElseOp = 0xa1;
constexpr uint8_t kWhileOp = 0xa2;
constexpr uint8_t kReturnOp = 0xa4;

void Append(Bytes* out, const Bytes& more) { out->insert(out->end(), more.begin(), more.end()); }

void AppendLe(Bytes* out, size_t size, uint64_t value) {
  for (size_t i = 0; i < size; ++i) out->push_back(static_cast<uint8_t>(value >> (8 * i)));
}

Term Join(std::initializer_list<Bytes> parts) {
  Term term;
  for (const Bytes& part : parts) Append(&term.bytes, part);
  return term;
}

// PkgLength (20.2.4): `length` bytes or bits follow; include_self counts the encoding too.
Bytes PkgLength(size_t length, bool include_self) {
  constexpr size_t kMax[] = {1u << 6, 1u << 12, 1u << 20, 1u << 28};
  size_t extra = 0;
  while (length + (include_self ? extra + 1 : 0) >= kMax[extra]) {
    ++extra;
    DAVIT_CHECK(extra < 4);
  }
  const size_t value = length + (include_self ? extra + 1 : 0);
  if (extra == 0) return {static_cast<uint8_t>(value)};
  Bytes out = {static_cast<uint8_t>(extra << 6 | (value & 0xf))};
  AppendLe(&out, extra, value >> 4);
  return out;
}

// An operator whose operands are counted by a PkgLength.
Term Packaged(const Bytes& op, const Bytes& body) {
  return Join({op, PkgLength(body.size(), true), body});
}

Bytes NameSeg(std::string_view name) {
  DAVIT_CHECK(!name.empty() && name.size() <= 4);
  Bytes out;
  for (size_t i = 0; i < 4; ++i) {
    const char c = i < name.size() ? name[i] : '_';
    DAVIT_CHECK((c >= 'A' && c <= 'Z') || c == '_' || (c >= '0' && c <= '9' && i > 0));
    out.push_back(static_cast<uint8_t>(c));
  }
  return out;
}

Bytes NameString(std::string_view path) {
  Bytes out;
  if (path.starts_with('\\')) {
    out.push_back(kRootChar);
    path.remove_prefix(1);
  }
  if (path.empty()) {
    DAVIT_CHECK(!out.empty());
    out.push_back(0);  // NullName
    return out;
  }
  const size_t count = 1 + static_cast<size_t>(std::count(path.begin(), path.end(), '.'));
  DAVIT_CHECK(count < 256);
  if (count == 2) out.push_back(kDualNamePrefix);
  if (count > 2) Append(&out, {kMultiNamePrefix, static_cast<uint8_t>(count)});
  for (size_t i = 0; i < count; ++i) {
    const size_t dot = std::min(path.find('.'), path.size());
    Append(&out, NameSeg(path.substr(0, dot)));
    path.remove_prefix(std::min(dot + 1, path.size()));
  }
  return out;
}

}  // namespace

Term Integer(uint64_t value) {
  Term term;
  if (value == 0) {
    term.bytes = {kZeroOp};
  } else if (value == 1) {
    term.bytes = {kOneOp};
  } else if (value <= 0xff) {
    term.bytes = {kBytePrefix};
    AppendLe(&term.bytes, 1, value);
  } else if (value <= 0xffff) {
    term.bytes = {kWordPrefix};
    AppendLe(&term.bytes, 2, value);
  } else if (value <= 0xffffffff) {
    term.bytes = {kDwordPrefix};
    AppendLe(&term.bytes, 4, value);
  } else {
    term.bytes = {kQwordPrefix};
    AppendLe(&term.bytes, 8, value);
  }
  return term;
}

Term String(std::string_view text) {
  DAVIT_CHECK(text.find('\0') == std::string_view::npos);
  return Join({{kStringPrefix}, Bytes(text.begin(), text.end()), {0}});
}

// Three letters of 5 bits and four hexadecimal digits, the most significant byte first (6.1.5).
Term EisaId(std::string_view id) {
  DAVIT_CHECK(id.size() == 7);
  uint32_t value = 0;
  for (size_t i = 0; i < 3; ++i) {
    DAVIT_CHECK(id[i] >= 'A' && id[i] <= 'Z');
    value = value << 5 | static_cast<uint32_t>(id[i] - 'A' + 1);
  }
  for (size_t i = 3; i < 7; ++i) {
    const size_t digit = std::string_view("0123456789ABCDEF").find(id[i]);
    DAVIT_CHECK(digit < 16);
    value = value << 4 | static_cast<uint32_t>(digit);
  }
  Term term{{kDwordPrefix}};
  AppendLe(&term.bytes, 4, __builtin_bswap32(value));
  return term;
}

Term Buffer(const Bytes& data) {
  return Packaged({kBufferOp}, Join({Integer(data.size()).bytes, data}).bytes);
}

// The first three groups are little-endian numbers (ACPI 6.4, 19.6.142).
Term Uuid(std::string_view text) {
  DAVIT_CHECK(text.size() == 36);
  constexpr int kOrder[] = {6, 4, 2, 0, 11, 9, 16, 14, 19, 21, 24, 26, 28, 30, 32, 34};
  Bytes data;
  for (int at : kOrder) {
    uint8_t value = 0;
    for (char c : text.substr(static_cast<size_t>(at), 2)) {
      const size_t digit = std::string_view("0123456789abcdef").find(c);
      DAVIT_CHECK(digit < 16);
      value = static_cast<uint8_t>(value << 4 | digit);
    }
    data.push_back(value);
  }
  return Buffer(data);
}

Term Package(const Terms& elements) {
  DAVIT_CHECK(elements.size() < 256);
  Bytes body = {static_cast<uint8_t>(elements.size())};
  Append(&body, Concatenate(elements));
  return Packaged({kPackageOp}, body);
}

Term Reference(std::string_view path) { return {NameString(path)}; }

Term Name(std::string_view path, const Term& value) {
  return Join({{kNameOp}, NameString(path), value.bytes});
}

Term Scope(std::string_view path, const Terms& body) {
  return Packaged({kScopeOp}, Join({NameString(path), Concatenate(body)}).bytes);
}

Term Device(std::string_view path, const Terms& body) {
  return Packaged({kExtOpPrefix, kDeviceOp}, Join({NameString(path), Concatenate(body)}).bytes);
}

Term Method(std::string_view path, uint8_t arguments, bool serialized, const Terms& body) {
  DAVIT_CHECK(arguments <= 7);
  const auto flags = static_cast<uint8_t>(arguments | (serialized ? 8 : 0));
  return Packaged({kMethodOp}, Join({NameString(path), {flags}, Concatenate(body)}).bytes);
}

Term OperationRegion(std::string_view path, AddressSpace space, uint64_t offset, uint64_t length) {
  return Join({{kExtOpPrefix, kOpRegionOp},
               NameString(path),
               {static_cast<uint8_t>(space)},
               Integer(offset).bytes,
               Integer(length).bytes});
}

Term Field(std::string_view region, FieldAccess access, FieldUpdate update,
           const std::vector<FieldUnit>& units) {
  Bytes body = NameString(region);
  body.push_back(
      static_cast<uint8_t>(static_cast<unsigned>(access) | static_cast<unsigned>(update) << 5));
  for (const FieldUnit& unit : units) {
    Append(&body, unit.name.empty() ? Bytes{0} : NameSeg(unit.name));
    Append(&body, PkgLength(unit.bits, false));
  }
  return Packaged({kExtOpPrefix, kFieldOp}, body);
}

Term Local(uint8_t index) {
  DAVIT_CHECK(index < 8);
  return {{static_cast<uint8_t>(kLocal0Op + index)}};
}

Term Arg(uint8_t index) {
  DAVIT_CHECK(index < 7);
  return {{static_cast<uint8_t>(kArg0Op + index)}};
}

Term Store(const Term& value, const Term& target) {
  return Join({{kStoreOp}, value.bytes, target.bytes});
}

Term And(const Term& a, const Term& b) {
  return Join({{kAndOp}, a.bytes, b.bytes, {kZeroOp}});  // no target
}

Term AndInto(const Term& target, const Term& a, const Term& b) {
  return Join({{kAndOp}, a.bytes, b.bytes, target.bytes});
}

Term OrInto(const Term& target, const Term& value) {
  return Join({{kOrOp}, target.bytes, value.bytes, target.bytes});
}

Term Add(const Term& a, const Term& b) { return Join({{kAddOp}, a.bytes, b.bytes, {kZeroOp}}); }

Term SubtractInto(const Term& target, const Term& a, const Term& b) {
  return Join({{kSubtractOp}, a.bytes, b.bytes, target.bytes});
}

Term Join64Into(const Term& target, const Term& low, const Term& high) {
  const Term shifted = Join({{kShiftLeftOp}, high.bytes, Integer(32).bytes, {kZeroOp}});
  return Join({{kOrOp}, shifted.bytes, low.bytes, target.bytes});
}

Term Increment(const Term& target) { return Join({{kIncrementOp}, target.bytes}); }

Term Less(const Term& a, const Term& b) { return Join({{kLLessOp}, a.bytes, b.bytes}); }

Term Equal(const Term& a, const Term& b) { return Join({{kLEqualOp}, a.bytes, b.bytes}); }

Term Not(const Term& condition) { return Join({{kLNotOp}, condition.bytes}); }

Term If(const Term& condition, const Terms& body) {
  return Packaged({kIfOp}, Join({condition.bytes, Concatenate(body)}).bytes);
}

Term Else(const Terms& body) { return Packaged({kElseOp}, Concatenate(body)); }

Term While(const Term& condition, const Terms& body) {
  return Packaged({kWhileOp}, Join({condition.bytes, Concatenate(body)}).bytes);
}

Term Mutex(std::string_view path) {
  return Join({{kExtOpPrefix, kMutexOp}, NameString(path), {0}});  // sync level 0
}

Term Acquire(std::string_view path) {
  return Join({{kExtOpPrefix, kAcquireOp}, NameString(path), {0xff, 0xff}});
}

Term Release(std::string_view path) { return Join({{kExtOpPrefix, kReleaseOp}, NameString(path)}); }

Term CreateQwordField(const Term& buffer, const Term& offset, std::string_view name) {
  return Join({{kCreateQwordFieldOp}, buffer.bytes, offset.bytes, NameString(name)});
}

Term CreateDwordField(const Term& buffer, const Term& offset, std::string_view name) {
  return Join({{kCreateDwordFieldOp}, buffer.bytes, offset.bytes, NameString(name)});
}

Term Call(std::string_view method, const Terms& arguments) {
  return Join({NameString(method), Concatenate(arguments)});
}

Term Notify(const Term& object, const Term& value) {
  return Join({{kNotifyOp}, object.bytes, value.bytes});
}

Term Return(const Term& value) { return Join({{kReturnOp}, value.bytes}); }

Resource IoPorts(uint16_t base, uint8_t length, uint8_t alignment) {
  Resource io{{0x47, 0x01}};  // small item 8, 7 bytes; decodes 16 bits
  AppendLe(&io.bytes, 2, base);
  AppendLe(&io.bytes, 2, base);
  Append(&io.bytes, {alignment, length});
  return io;
}

Resource IrqNoFlags(uint8_t irq) {
  DAVIT_CHECK(irq < 16);
  Resource resource{{0x22}};  // small item 4, 2 bytes
  AppendLe(&resource.bytes, 2, 1u << irq);
  return resource;
}

Resource Interrupt(uint32_t gsi, IrqMode mode) {
  const uint8_t flags = mode == IrqMode::kEdgeHigh ? 0x03 : 0x01;  // bit 0: consumer; bit 1: edge
  Resource resource{{0x89, 6, 0, flags, 1}};                       // one interrupt
  AppendLe(&resource.bytes, 4, gsi);
  return resource;
}

Resource SharedLevelInterrupt(const std::vector<uint32_t>& gsis) {
  DAVIT_CHECK(!gsis.empty() && gsis.size() < 64);
  constexpr uint8_t kConsumerShared = 0x09;
  Resource resource{{0x89}};
  AppendLe(&resource.bytes, 2, 2 + 4 * gsis.size());
  Append(&resource.bytes, {kConsumerShared, static_cast<uint8_t>(gsis.size())});
  for (uint32_t gsi : gsis) AppendLe(&resource.bytes, 4, gsi);
  return resource;
}

namespace {

// 6.4.3.5.1 to 6.4.3.5.3, by the size of the numbers.
enum class RangeType : uint8_t { kMemory = 0, kIo = 1, kBus = 2 };
constexpr uint8_t kMinMaxFixed = 0x0c, kConsumer = 0x01;
Resource Window(size_t size, RangeType type, uint8_t type_flags, uint64_t first, uint64_t last,
                uint8_t flags = kMinMaxFixed) {
  Resource resource;
  resource.bytes = {static_cast<uint8_t>(size == 2 ? 0x88 : size == 4 ? 0x87 : 0x8a)};
  AppendLe(&resource.bytes, 2, 3 + 5 * size);
  Append(&resource.bytes, {static_cast<uint8_t>(type), flags, type_flags});
  for (uint64_t value : {uint64_t{0}, first, last, uint64_t{0}, last - first + 1}) {
    AppendLe(&resource.bytes, size, value);
  }
  return resource;
}

constexpr uint8_t MemoryFlags(MemoryCaching caching) {
  return static_cast<uint8_t>(1 | static_cast<unsigned>(caching) << 1);  // writable
}

}  // namespace

Resource BusNumbers(uint16_t first, uint16_t last) {
  return Window(2, RangeType::kBus, 0, first, last);
}

Resource IoWindow(uint16_t first, uint16_t last) {
  constexpr uint8_t kEntireRange = 3;
  return Window(2, RangeType::kIo, kEntireRange, first, last);
}

Resource MemoryWindow32(uint32_t first, uint32_t last, MemoryCaching caching) {
  return Window(4, RangeType::kMemory, MemoryFlags(caching), first, last);
}

Resource MemoryWindow64(uint64_t first, uint64_t last, MemoryCaching caching) {
  return Window(8, RangeType::kMemory, MemoryFlags(caching), first, last);
}

Resource Memory64(uint64_t first, uint64_t last) {
  return Window(8, RangeType::kMemory, MemoryFlags(MemoryCaching::kCacheable), first, last,
                kMinMaxFixed | kConsumer);
}

Resource Memory32Fixed(uint32_t base, uint32_t length) {
  Resource resource{{0x86, 9, 0, 1}};  // writable
  AppendLe(&resource.bytes, 4, base);
  AppendLe(&resource.bytes, 4, length);
  return resource;
}

Term ResourceTemplate(const std::vector<Resource>& resources) {
  Bytes data;
  for (const Resource& resource : resources) Append(&data, resource.bytes);
  Append(&data, {0x79, 0});  // end tag, no checksum
  return Buffer(data);
}

Bytes Concatenate(const Terms& terms) {
  Bytes out;
  for (const Term& term : terms) Append(&out, term.bytes);
  return out;
}

}  // namespace davit::boot::aml
