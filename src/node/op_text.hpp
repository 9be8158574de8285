// Message ids as apps see them: base64url of the log id's first 16 bytes, batch and position.
#pragma once

#include <perdure/types.hpp>

#include <optional>

#include "sync/topic.hpp"

namespace perdure {

std::string op_text(const OpId& id);
// Nothing if the text is no id, or of a log that is not known here.
std::optional<OpId> parse_op(const sync::Topic& topic, std::string_view text);

}  // namespace perdure
