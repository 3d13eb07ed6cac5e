// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// std::visit(Overloaded{lambda...}, variant): one callable of several.
#pragma once

namespace davit {

template <typename... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};
// clang before 17 does not deduce aggregates.
template <typename... Fs>
Overloaded(Fs...) -> Overloaded<Fs...>;

}  // namespace davit
