// The byte form of what crosses between the core and a host in another language (web/src/engine/boundary.ts is the other side).
//
//     Result<std::vector<Event>> events = decode_events(inbox);     // what the host wrote
//     Bytes outbox = encode_turn(node.handle(now, std::move(*events)));
//
// A value is a u8 tag (src/boundary/boundary_table.hpp) and then its fields in the order of include/perdure/events.hpp: numbers are
// varints (signed ones zigzag), u8, flags and enumerations one byte, ids raw, texts and bytes length-prefixed, an optional a flag
// and its value, a list a count and its items. A list of events stands alone; a turn is the optional deadline, then its actions.
//
// The other side is our own host. Bytes that it could not have written are `malformed`; memory grows with what is read, never with
// what a count claims.
#pragma once

#include <perdure/config.hpp>
#include <perdure/events.hpp>

namespace perdure {

Bytes encode_events(const std::vector<Event>&);
Result<std::vector<Event>> decode_events(ByteView);

Bytes encode_turn(const Turn&);
Result<Turn> decode_turn(ByteView);

Bytes encode_config(const Config&);
Result<Config> decode_config(ByteView);

}  // namespace perdure
