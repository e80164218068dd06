// Result<T>: a value or an Error, with std::expected's member names. gcc 12 has <expected> only from C++23 on; the day
// the project moves there this file becomes an alias.
#pragma once

#include <cstdlib>
#include <utility>
#include <variant>

#include "netpoll/error.h"

namespace netpoll {

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT(google-explicit-constructor)
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  // value() and operator* require has_value(); error() requires its absence. Breaking that is a bug and aborts.
  T& value() & { return checked(*this); }
  const T& value() const& { return checked(*this); }
  T&& value() && { return std::move(checked(*this)); }
  T& operator*() & { return checked(*this); }
  const T& operator*() const& { return checked(*this); }
  T&& operator*() && { return std::move(checked(*this)); }
  T* operator->() { return &checked(*this); }
  const T* operator->() const { return &checked(*this); }

  Error& error() & { return *checked_error(); }
  const Error& error() const& { return *const_cast<Result*>(this)->checked_error(); }
  Error&& error() && { return std::move(*checked_error()); }

  T value_or(T other) const& { return has_value() ? value() : std::move(other); }

 private:
  template <typename Self>
  static auto& checked(Self& self) {
    auto* value = std::get_if<0>(&self.state_);
    if (value == nullptr) std::abort();
    return *value;
  }
  Error* checked_error() {
    auto* error = std::get_if<1>(&state_);
    if (error == nullptr) std::abort();
    return error;
  }

  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }
  void value() const {
    if (!has_value()) std::abort();
  }

  Error& error() & { return *checked_error(); }
  const Error& error() const& { return *const_cast<Result*>(this)->checked_error(); }
  Error&& error() && { return std::move(*checked_error()); }

 private:
  Error* checked_error() {
    auto* error = std::get_if<1>(&state_);
    if (error == nullptr) std::abort();
    return error;
  }

  std::variant<std::monostate, Error> state_;
};

}  // namespace netpoll
