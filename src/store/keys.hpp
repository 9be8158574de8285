// Every row key in one table. Keys sort bytewise; numbers are big-endian, so ranges are contiguous.
//
//     M                      the device: format version, store epoch, counters          (store/meta.hpp)
//     T topic                a topic: secret or id, name, flags                          (node)
//     L topic log            a log: opening, head, peaks, tail of leaf hashes            (log/state.hpp)
//     B topic log index      a sealed batch
//     N topic log level n    64 tree nodes of level 0, 6, 12, … in one row               (log/nodes.hpp)
//     I topic                the roots and counters of a topic's indexes                 (crdt/indexes.hpp)
//     I topic n              … 1: they are being made anew (node/load), 2: how far they were looked through (crdt/replica), 3: logs without
//                            a name (node/load), 4: what is held back and untold (crdt/untold.hpp), 5: which batches they were made
//                            without (sync/missing.hpp)
//     X topic tree page      a page of an index                                          (store/index.hpp)
//     V topic log            which batches of an own voided log were appended again      (sync/reappended.hpp)
//     F topic log            that its author signed two histories of it: the proof       (sync/branches.cpp)
//     K topic acker          how far a peer has acknowledged our logs                    (sync)
//     C topic peer           where we left off in that peer's arrival order              (sync)
//     C topic                at an anchor: of which peers there are such rows            (sync)
//     O topic                the epoch of its order of arrival, if not the store's       (node)
//     W topic device         what a member calls itself, when it was last seen           (node)
//     R request              the receipt of an append, for a retry after a hand-over     (node)
//     A url                  an anchor: its pinned key                                   (node)
//     E topic address        at an anchor: what was brought from there                   (node)
//     E topic                … 0.1.0: the one address that has entered it                (node)
#pragma once

#include <perdure/types.hpp>

#include <initializer_list>

namespace perdure::store {

using TopicNo = u32;  // this device's number of a topic; never reused
using LogNo = u32;    // this device's number of a log in a topic, by first arrival

Bytes key(char kind);
Bytes key(char kind, TopicNo topic);
Bytes key(char kind, TopicNo topic, u32 second);
Bytes key(char kind, TopicNo topic, u32 second, u32 third);
Bytes key(char kind, TopicNo topic, u32 second, u8 third, u32 fourth);
Bytes key(char kind, TopicNo topic, ByteView rest);
Bytes key(char kind, ByteView rest);
// The first key that does not start with `prefix`; prefix is not all 0xff.
Bytes prefix_end(ByteView prefix);

}  // namespace perdure::store
