// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A small typed AML builder (ACPI 6.4, chapter 20) for the device tables that davit describes.
// Every function returns one encoded term; terms nest by value:
//   Device("COM1", {Name("_HID", EisaId("PNP0501")), Name("_CRS", ResourceTemplate({...}))})
// Names are our own constants: a malformed one is a CHECK. Pure.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace davit::boot::aml {

using Bytes = std::vector<uint8_t>;

// An encoded AML object or operator: data, name, expression or statement.
struct Term {
  Bytes bytes;
};

// An encoded resource descriptor (ACPI 6.4, 6.4).
struct Resource {
  Bytes bytes;
};

// A field of a Field list; without a name: bits that are skipped.
struct FieldUnit {
  std::string_view name;
  uint32_t bits;
};

using Terms = std::vector<Term>;

// --- data (20.2.3)
Term Integer(uint64_t value);
Term String(std::string_view text);  // no NUL inside
Term EisaId(std::string_view id);    // "PNP0501"
Term Buffer(const Bytes& data);
Term Uuid(std::string_view text);       // "33db4d5b-1ff7-401c-9657-7441c03dd766": its 16 bytes
Term Package(const Terms& elements);    // at most 255
Term Reference(std::string_view path);  // "PWRB", "\\_SB.GED"

// --- named objects and scopes (20.2.5). A path is NameSegs of 1-4 characters joined by dots, with
// a backslash before it or not; "\\" alone is the root.
Term Name(std::string_view path, const Term& value);
Term Scope(std::string_view path, const Terms& body);
Term Device(std::string_view path, const Terms& body);
Term Method(std::string_view path, uint8_t arguments, bool serialized, const Terms& body);

enum class AddressSpace : uint8_t { kSystemMemory = 0, kSystemIo = 1, kPciConfig = 2 };
Term OperationRegion(std::string_view path, AddressSpace space, uint64_t offset, uint64_t length);

enum class FieldAccess : uint8_t { kAny = 0, kByte = 1, kWord = 2, kDword = 3 };
enum class FieldUpdate : uint8_t { kPreserve = 0, kWriteAsOnes = 1, kWriteAsZeros = 2 };
Term Field(std::string_view region, FieldAccess access, FieldUpdate update,
           const std::vector<FieldUnit>& units);

// --- expressions and statements (20.2.5.3, 20.2.5.4)
Term Local(uint8_t index);  // 0-7
Term Arg(uint8_t index);    // 0-6
Term Store(const Term& value, const Term& target);
Term And(const Term& a, const Term& b);
Term AndInto(const Term& target, const Term& a, const Term& b);  // target = a & b
Term OrInto(const Term& target, const Term& value);              // target |= value
Term Add(const Term& a, const Term& b);
Term SubtractInto(const Term& target, const Term& a, const Term& b);  // target = a - b
// target = high << 32 | low: a register of 64 bits that is two fields.
Term Join64Into(const Term& target, const Term& low, const Term& high);
Term Increment(const Term& target);
Term Equal(const Term& a, const Term& b);
Term Less(const Term& a, const Term& b);
Term Not(const Term& condition);  // logical
Term If(const Term& condition, const Terms& body);
Term Else(const Terms& body);  // right behind an If
Term While(const Term& condition, const Terms& body);
// Acquire() waits for ever.
Term Mutex(std::string_view path);
Term Acquire(std::string_view path);
Term Release(std::string_view path);
// Names the 4 bytes at `offset` of a buffer.
Term CreateDwordField(const Term& buffer, const Term& offset, std::string_view name);
Term CreateQwordField(const Term& buffer, const Term& offset, std::string_view name);
Term Call(std::string_view method, const Terms& arguments);
Term Notify(const Term& object, const Term& value);
Term Return(const Term& value);

// --- resources (6.4)
Resource IoPorts(uint16_t base, uint8_t length, uint8_t alignment = 1);
Resource IrqNoFlags(uint8_t irq);  // 0-15: edge, active high, exclusive
enum class IrqMode : uint8_t { kLevelHigh, kEdgeHigh };
Resource Interrupt(uint32_t gsi, IrqMode mode);
Resource SharedLevelInterrupt(const std::vector<uint32_t>& gsis);  // active high
Resource Memory32Fixed(uint32_t base, uint32_t length);
// Cacheable RAM, first..last. kMemory64*: where its numbers are, for those that a method fills in.
Resource Memory64(uint64_t first, uint64_t last);
inline constexpr uint64_t kMemory64First = 14, kMemory64Last = 22, kMemory64Length = 38;
// Address ranges that a bridge passes on to its children (6.4.3.5): first..last.
Resource BusNumbers(uint16_t first, uint16_t last);
Resource IoWindow(uint16_t first, uint16_t last);
enum class MemoryCaching : uint8_t { kNone = 0, kCacheable = 1 };
Resource MemoryWindow32(uint32_t first, uint32_t last, MemoryCaching caching);
Resource MemoryWindow64(uint64_t first, uint64_t last, MemoryCaching caching);
Term ResourceTemplate(const std::vector<Resource>& resources);

// All terms one after the other.
Bytes Concatenate(const Terms& terms);

}  // namespace davit::boot::aml
