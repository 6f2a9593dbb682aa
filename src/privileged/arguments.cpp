#include "privileged/arguments.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/json.h"

namespace tiltyard::privileged {

std::unexpected<Error> refused(std::string why) {
  return fail(Code::kInvalid, "argument-refused", "The privileged half of the server refuses: " + why);
}

Result<> Arguments::only(std::initializer_list<std::string_view> names) const {
  for (const auto& [key, value] : members_) {
    if (std::ranges::find(names, std::string_view(key.data(), key.size())) == names.end())
      return refused("an argument that the verb does not know");
  }
  return {};
}

Result<std::string> Arguments::text(std::string_view name, std::size_t longest) const {
  const auto* text = member(members_, name).if_string();
  if (text == nullptr) return refused(fmt::format("{} is no text", name));
  if (text->size() > longest) return refused(fmt::format("{} is longer than {} bytes", name, longest));
  return std::string(text->data(), text->size());
}

Result<std::int64_t> Arguments::number(std::string_view name, std::int64_t least, std::int64_t most) const {
  const auto* number = member(members_, name).if_int64();
  if (number == nullptr) return refused(fmt::format("{} is no whole number", name));
  if (*number < least || *number > most) return refused(fmt::format("{} is not in {} to {}", name, least, most));
  return *number;
}

Result<bool> Arguments::flag(std::string_view name) const {
  const auto* flag = member(members_, name).if_bool();
  if (flag == nullptr) return refused(fmt::format("{} is neither true nor false", name));
  return *flag;
}

}  // namespace tiltyard::privileged
