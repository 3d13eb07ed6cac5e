// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Completion<T>: the one-shot continuation of a command. Whoever holds it calls it once, on the
// control thread, now or later; destroying it uncalled means that there is nobody to answer any
// more. Move-only.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

#include "vmm/base/check.h"
#include "vmm/base/error.h"

namespace davit::qapi {

template <typename T>
class Completion {
 public:
  Completion() = default;
  template <typename F>
  requires(!std::is_same_v<std::decay_t<F>, Completion> && std::is_invocable_v<F&, Result<T>>)
      Completion(F&& f)  // NOLINT: implicit, a lambda is passed for it
      : target_(std::make_unique<Target<std::decay_t<F>>>(std::forward<F>(f))) {}

  explicit operator bool() const { return target_ != nullptr; }

  void operator()(Result<T> result) {
    DAVIT_CHECK(target_ != nullptr);
    std::unique_ptr<Base> target = std::move(target_);
    target->Run(std::move(result));
  }

 private:
  struct Base {
    virtual ~Base() = default;
    virtual void Run(Result<T> result) = 0;
  };
  template <typename F>
  struct Target : Base {
    template <typename G>
    explicit Target(G&& g) : f(std::forward<G>(g)) {}
    void Run(Result<T> result) override { f(std::move(result)); }
    F f;
  };

  std::unique_ptr<Base> target_;
};

}  // namespace davit::qapi
