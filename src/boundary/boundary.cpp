#include "boundary/boundary.hpp"

#include "boundary/boundary_table.hpp"
#include "codec/bytes.hpp"

#include <limits>
#include <type_traits>

namespace perdure {
namespace boundary {

// ---- what kind of thing is a T? ------------------------------------------------------------------------------------------
template <class T>
inline constexpr bool is_fixed = false;
template <class Tag, std::size_t N>
inline constexpr bool is_fixed<Fixed<Tag, N>> = true;
template <class T>
inline constexpr bool is_vector = false;
template <class T>
inline constexpr bool is_vector<std::vector<T>> = true;
template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;
template <class T>
inline constexpr bool is_pair = false;
template <class A, class B>
inline constexpr bool is_pair<std::pair<A, B>> = true;
template <class T>
inline constexpr bool is_variant = false;
template <class... Ts>
inline constexpr bool is_variant<std::variant<Ts...>> = true;

// ---- writing -------------------------------------------------------------------------------------------------------------
template <class T>
void put(codec::Writer& w, const T& v) {
  if constexpr (std::is_same_v<T, bool>) {
    w.u8(v ? 1 : 0);
  } else if constexpr (std::is_enum_v<T> || std::is_same_v<T, u8>) {
    w.u8(static_cast<u8>(v));
  } else if constexpr (std::is_same_v<T, i64>) {
    w.varint((static_cast<u64>(v) << 1) ^ static_cast<u64>(v >> 63));
  } else if constexpr (std::is_unsigned_v<T>) {
    w.varint(v);
  } else if constexpr (std::is_same_v<T, std::string>) {
    w.bytes(std::string_view(v));
  } else if constexpr (std::is_same_v<T, Bytes>) {
    w.bytes(ByteView(v));
  } else if constexpr (is_fixed<T>) {
    w.fixed(v);
  } else if constexpr (is_vector<T>) {
    w.varint(v.size());
    for (const auto& item : v) put(w, item);
  } else if constexpr (is_optional<T>) {
    w.u8(v ? 1 : 0);
    if (v) put(w, *v);
  } else if constexpr (is_pair<T>) {
    put(w, v.first);
    put(w, v.second);
  } else if constexpr (is_variant<T>) {
    std::visit(
        [&]<class A>(const A& alternative) {
          static_assert(tag<A> != 0, "every alternative has a tag");
          w.u8(tag<A>);
          put(w, alternative);
        },
        v);
  } else {
    std::apply([&](auto... field) { (put(w, v.*field), ...); }, fields<T>);
  }
}

// ---- reading -------------------------------------------------------------------------------------------------------------
template <class T>
void get(codec::Reader& r, T& v);

template <class... Ts>
void get_alternative(codec::Reader& r, std::variant<Ts...>& v) {
  const u8 found = r.u8();
  const auto take = [&]<class A>(std::type_identity<A>) {
    if (tag<A> != found) return false;
    get(r, v.template emplace<A>());
    return true;
  };
  if (!(take(std::type_identity<Ts>{}) || ...)) r.fail();
}

template <class T>
void get(codec::Reader& r, T& v) {
  if constexpr (std::is_same_v<T, bool>) {
    const u8 flag = r.u8();
    if (flag > 1) r.fail();
    v = flag == 1;
  } else if constexpr (std::is_enum_v<T>) {
    v = static_cast<T>(r.u8());
    if (!known(v)) r.fail();
  } else if constexpr (std::is_same_v<T, u8>) {
    v = r.u8();
  } else if constexpr (std::is_same_v<T, i64>) {
    const u64 zigzag = r.varint();
    v = static_cast<i64>((zigzag >> 1) ^ (0 - (zigzag & 1)));
  } else if constexpr (std::is_unsigned_v<T>) {
    v = static_cast<T>(r.varint_max(std::numeric_limits<T>::max()));
  } else if constexpr (std::is_same_v<T, std::string>) {
    v = text(r.bytes(r.left()));
  } else if constexpr (std::is_same_v<T, Bytes>) {
    v = own(r.bytes(r.left()));
  } else if constexpr (is_fixed<T>) {
    v = r.template fixed<T>();
  } else if constexpr (is_vector<T>) {
    // Each item takes at least a byte, and the vector grows only as they are found.
    const u64 count = r.varint_max(r.left());
    for (u64 i = 0; i < count && r.ok(); ++i) get(r, v.emplace_back());
  } else if constexpr (is_optional<T>) {
    const u8 flag = r.u8();
    if (flag > 1) r.fail();
    if (flag == 1) get(r, v.emplace());
  } else if constexpr (is_pair<T>) {
    get(r, v.first);
    get(r, v.second);
  } else if constexpr (is_variant<T>) {
    get_alternative(r, v);
  } else {
    std::apply([&](auto... field) { (get(r, v.*field), ...); }, fields<T>);
  }
}

template <class T>
Bytes encode(const T& v) {
  codec::Writer w;
  put(w, v);
  return std::move(w).take();
}

template <class T>
Result<T> decode(ByteView in, const char* what) {
  codec::Reader r(in);
  T v;
  get(r, v);
  if (!r.done()) return Error{Code::malformed, std::string("the bytes are not ") + what};
  return v;
}

}  // namespace boundary

Bytes encode_events(const std::vector<Event>& events) { return boundary::encode(events); }
Result<std::vector<Event>> decode_events(ByteView in) {
  return boundary::decode<std::vector<Event>>(in, "a list of events");
}

Bytes encode_turn(const Turn& turn) {
  // Rows are nearly all of a turn: then it is written once and not moved while it grows.
  std::size_t rows = 512;
  for (const Action& action : turn.actions)
    if (const Save* save = std::get_if<Save>(&action))
      for (const auto& [key, value] : save->puts) rows += key.size() + value.size() + 8;
  codec::Writer w;
  w.reserve(rows);
  boundary::put(w, turn);
  return std::move(w).take();
}
Result<Turn> decode_turn(ByteView in) { return boundary::decode<Turn>(in, "a turn"); }

Bytes encode_config(const Config& config) { return boundary::encode(config); }
Result<Config> decode_config(ByteView in) { return boundary::decode<Config>(in, "a configuration"); }

}  // namespace perdure
