// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A value held on the heap: what generated structs use where a type contains itself by value
// (through an optional member or a union branch). Copies deeply.
#pragma once

#include <memory>
#include <utility>

namespace davit::qapi {

template <typename T>
class Box {
 public:
  Box() : value_(std::make_unique<T>()) {}
  Box(T value) : value_(std::make_unique<T>(std::move(value))) {}  // NOLINT: implicit
  Box(const Box& other) : value_(std::make_unique<T>(*other)) {}
  Box(Box&& other) : value_(std::make_unique<T>()) { value_.swap(other.value_); }
  Box& operator=(Box other) {
    value_.swap(other.value_);
    return *this;
  }

  T& operator*() { return *value_; }
  const T& operator*() const { return *value_; }
  T* operator->() { return value_.get(); }
  const T* operator->() const { return value_.get(); }

 private:
  std::unique_ptr<T> value_;  // never null
};

}  // namespace davit::qapi
