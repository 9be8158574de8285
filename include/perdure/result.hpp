// A value or the reason why there is none. Nothing throws.
//
//     Result<Head> head = decode_head(bytes);
//     if (!head) return head.error();
//     use(head->length);
#pragma once

#include <optional>
#include <string>
#include <utility>

namespace perdure {

// The codes that our own caller meets (API.md, PerdureError), and `malformed` for bytes from elsewhere,
// which never reaches a caller.
enum class Code : unsigned char {
  bad_invite = 1,
  bad_argument = 2,
  too_large = 3,
  storage_full = 4,
  storage_unavailable = 5,
  storage_lost = 6,
  not_allowed = 7,
  not_found = 8,
  closed = 9,
  outdated = 10,
  insecure_context = 11,
  wasm_blocked = 12,
  wasm_failed = 13,
  malformed = 100,
};

struct Error {
  Code code = Code::malformed;
  std::string text;  // says what to do
};

template <class T>
class Result {
 public:
  Result(T value) : value_(std::move(value)) {}      // NOLINT: a value is a result
  Result(Error error) : error_(std::move(error)) {}  // NOLINT: so is an error
  explicit operator bool() const { return value_.has_value(); }
  T& operator*() { return *value_; }
  const T& operator*() const { return *value_; }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }
  const Error& error() const { return error_; }

 private:
  std::optional<T> value_;
  Error error_;
};

}  // namespace perdure
