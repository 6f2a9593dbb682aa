#include "net/body.h"

#include <fmt/format.h>
#include <boost/json/parse.hpp>

#include <algorithm>
#include <deque>

namespace tiltyard::http {
namespace {

namespace json = boost::json;

std::unexpected<Error> invalid(std::string message) { return fail(Code::kInvalid, "invalid-body", std::move(message)); }

/// What a client calls something it made up is cut, so that an answer cannot be made to repeat a whole body.
std::string shortened(std::string_view name) { return std::string(name.substr(0, 40)); }

}  // namespace

/// One object of the body.
struct Body::Part {
  const json::object* object = nullptr;
  std::string before;              ///< "pool." inside of that
  std::vector<std::string> asked;  ///< names, in the order in which they were asked for
};

struct Body::Whole {
  json::value value;
  std::deque<Part> parts;  ///< the first is the whole body
  std::optional<Error> wrong;
};

Result<json::object> json_object(std::string_view bytes) {
  boost::system::error_code error;
  json::parse_options options;
  options.max_depth = kBodyDepth;
  auto value = json::parse(json::string_view(bytes.data(), bytes.size()), error, {}, options);
  if (error) return invalid("The body is not JSON: " + error.message() + ".");
  if (!value.is_object()) return invalid("The body must be a JSON object.");
  return std::move(value.get_object());
}

Body::Body(std::shared_ptr<Whole> whole) : whole_(std::move(whole)) {}

Body::Body(std::string_view bytes) : whole_(std::make_shared<Whole>()) {
  whole_->value = json::object{};
  if (auto object = json_object(bytes)) whole_->value = std::move(*object);
  else whole_->wrong = std::move(object.error());
  part_ = &whole_->parts.emplace_back(Part{&whole_->value.get_object(), {}, {}});
}

Body Body::or_empty(std::string_view bytes) { return Body(bytes.empty() ? std::string_view("{}") : bytes); }

std::string Body::named(std::string_view name) const { return fmt::format("'{}{}'", part_->before, name); }

void Body::refuse(std::string why) {
  if (!whole_->wrong) whole_->wrong = Error{Code::kInvalid, "invalid-body", std::move(why), {}, {}};
}

const json::value* Body::find(std::string_view name, bool required) {
  if (std::ranges::find(part_->asked, name) == part_->asked.end()) part_->asked.emplace_back(name);
  const auto* value = part_->object->if_contains(name);
  if (value && !required && value->is_null()) return nullptr;
  if (!value && required) refuse(fmt::format("{} is missing.", named(name)));
  return value;
}

const json::object& Body::object() const { return *part_->object; }

bool Body::has(std::string_view name) const { return part_->object->contains(name); }

bool Body::is_null(std::string_view name) const {
  const auto* value = part_->object->if_contains(name);
  return value && value->is_null();
}

const json::value* Body::any(std::string_view name) {
  if (std::ranges::find(part_->asked, name) == part_->asked.end()) part_->asked.emplace_back(name);
  return part_->object->if_contains(name);
}

namespace {

std::optional<std::string> as_text(const json::value& value, std::size_t least, std::size_t most) {
  if (!value.is_string() || value.get_string().size() < least || value.get_string().size() > most) return std::nullopt;
  return std::string(value.get_string());
}

std::string text_of_length(std::size_t least, std::size_t most) {
  if (least == 0) return fmt::format("a text of at most {} bytes", most);
  return fmt::format("a text of {} to {} bytes", least, most);
}

std::optional<std::int64_t> as_number(const json::value& value, std::int64_t least, std::int64_t most) {
  if (!value.is_int64() || value.get_int64() < least || value.get_int64() > most) return std::nullopt;
  return value.get_int64();
}

std::optional<std::vector<std::string>> as_texts(const json::value& value, std::size_t fewest, std::size_t most,
                                                 std::size_t longest) {
  if (!value.is_array() || value.get_array().size() < fewest || value.get_array().size() > most) return std::nullopt;
  std::vector<std::string> texts;
  for (const auto& item : value.get_array()) {
    auto text = as_text(item, 0, longest);
    if (!text) return std::nullopt;
    texts.push_back(std::move(*text));
  }
  return texts;
}

}  // namespace

std::string Body::text(std::string_view name, std::size_t least, std::size_t most) {
  const auto* value = find(name, true);
  auto text = value ? as_text(*value, least, most) : std::nullopt;
  if (value && !text) refuse(fmt::format("{} must be {}.", named(name), text_of_length(least, most)));
  return text.value_or("");
}

std::optional<std::string> Body::maybe_text(std::string_view name, std::size_t least, std::size_t most) {
  if (find(name, false) == nullptr) return std::nullopt;
  return text(name, least, most);
}

std::int64_t Body::number(std::string_view name, std::int64_t least, std::int64_t most) {
  const auto* value = find(name, true);
  const auto number = value ? as_number(*value, least, most) : std::nullopt;
  if (value && !number) refuse(fmt::format("{} must be a whole number from {} to {}.", named(name), least, most));
  return number.value_or(least);
}

std::optional<std::int64_t> Body::maybe_number(std::string_view name, std::int64_t least, std::int64_t most) {
  if (find(name, false) == nullptr) return std::nullopt;
  return number(name, least, most);
}

std::optional<double> Body::maybe_real(std::string_view name, double least, double most) {
  const auto* value = find(name, false);
  if (value == nullptr) return std::nullopt;
  const double real = value->is_number() ? value->to_number<double>() : least - 1;
  if (real >= least && real <= most) return real;
  refuse(fmt::format("{} must be a number from {} to {}.", named(name), least, most));
  return std::nullopt;
}

bool Body::flag(std::string_view name) {
  const auto* value = find(name, true);
  if (value && !value->is_bool()) refuse(fmt::format("{} must be true or false.", named(name)));
  return value && value->is_bool() && value->get_bool();
}

std::optional<bool> Body::maybe_flag(std::string_view name) {
  if (find(name, false) == nullptr) return std::nullopt;
  return flag(name);
}

std::vector<std::string> Body::texts(std::string_view name, std::size_t fewest, std::size_t most, std::size_t longest) {
  const auto* value = find(name, true);
  auto texts = value ? as_texts(*value, fewest, most, longest) : std::nullopt;
  if (value && !texts) {
    refuse(fmt::format("{} must be a list of {} to {} texts of at most {} bytes each.", named(name), fewest, most,
                       longest));
  }
  return texts ? std::move(*texts) : std::vector<std::string>{};
}

std::optional<std::vector<std::string>> Body::maybe_texts(std::string_view name, std::size_t most,
                                                          std::size_t longest) {
  if (find(name, false) == nullptr) return std::nullopt;
  return texts(name, 0, most, longest);
}

std::optional<Body> Body::maybe_inside(std::string_view name) {
  const auto* value = find(name, false);
  if (value == nullptr) return std::nullopt;
  if (!value->is_object()) {
    refuse(fmt::format("{} must be an object.", named(name)));
    return std::nullopt;
  }
  Body inside(whole_);
  inside.part_ = &whole_->parts.emplace_back(Part{&value->get_object(), fmt::format("{}{}.", part_->before, name), {}});
  return inside;
}

Result<> Body::done() {
  for (const auto& part : whole_->parts) {
    for (const auto& item : *part.object) {
      if (std::ranges::find(part.asked, std::string_view(item.key())) != part.asked.end()) continue;
      refuse(fmt::format("Unknown member '{}{}'; known are {}.", part.before, shortened(item.key()),
                         fmt::join(part.asked, ", ")));
    }
  }
  if (whole_->wrong) return fail(*whole_->wrong);
  return {};
}

}  // namespace tiltyard::http
