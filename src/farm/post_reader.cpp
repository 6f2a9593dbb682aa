#include "farm/post_reader.h"

#include <boost/json/basic_parser_impl.hpp>

#include <fmt/format.h>

namespace tiltyard::farm {
namespace {

namespace json = boost::json;
using boost::system::error_code;

constexpr std::size_t kMostDepth = 8;
constexpr std::size_t kLongestText = 64 * 1024;

/// What boost::json's parser tells, as it tells it.
class Handler {
 public:
  static constexpr std::size_t max_object_size = 100'000;
  static constexpr std::size_t max_array_size = 10'000'000;
  static constexpr std::size_t max_key_size = 1024;
  static constexpr std::size_t max_string_size = kLongestText;

  Handler(std::string_view body, std::size_t most) : body_(body), most_(most) {}

  PostedFlags out;
  std::optional<Error> failure;

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code& error) {
    if (listed_) return true;
    return refuse(error,
                  R"(The body must be {"flags": [{"flag": "…", "sploit": "…", "team": "…"}, …]} or that list alone.)");
  }
  bool on_object_begin(error_code& error) {
    ++depth_;
    if (in_list() && depth_ == list_depth_ + 1) {
      flag_ = NewFlag{};
      has_flag_ = false;
      return room(error);
    }
    if (depth_ == list_depth_ + 2 && in_list() && key_ != Key::kOther) return wrong_type(error);
    return true;
  }
  bool on_object_end(std::size_t, error_code& error) {
    if (in_list() && depth_ == list_depth_ + 1) {
      if (!has_flag_) return refuse(error, fmt::format("The flag at place {} has no \"flag\".", out.flags.size()));
      out.flags.push_back(flag_);
    }
    --depth_;
    return true;
  }
  bool on_array_begin(error_code& error) {
    ++depth_;
    const bool root = depth_ == 1;
    const bool member = depth_ == 2 && !in_list() && key_ == Key::kFlags;
    if (root || member) {
      list_depth_ = depth_;
      listed_ = true;
    } else if (in_list() && depth_ == list_depth_ + 1) {
      return refuse(error, fmt::format("What stands at place {} is no flag but a list.", out.flags.size()));
    } else if (in_list() && depth_ == list_depth_ + 2 && key_ != Key::kOther) {
      return wrong_type(error);
    }
    return true;
  }
  bool on_array_end(std::size_t, error_code&) {
    if (depth_ == list_depth_) list_depth_ = 0;
    --depth_;
    return true;
  }
  bool on_key_part(json::string_view part, std::size_t, error_code&) {
    parts_.append(part.data(), part.size());
    return true;
  }
  bool on_key(json::string_view last, std::size_t, error_code&) {
    const std::string_view name = whole({last.data(), last.size()});
    const bool of_flag = in_list() && depth_ == list_depth_ + 1;
    if (of_flag)
      key_ = name == "flag"      ? Key::kFlag
             : name == "sploit"  ? Key::kSploit
             : name == "team"    ? Key::kTeam
             : name == "service" ? Key::kService
                                 : Key::kOther;
    else if (depth_ == 1) key_ = name == "flags" ? Key::kFlags : Key::kOther;
    parts_.clear();
    return true;
  }
  bool on_string_part(json::string_view part, std::size_t, error_code&) {
    parts_.append(part.data(), part.size());
    return true;
  }
  bool on_string(json::string_view last, std::size_t, error_code& error) {
    const bool item = in_list() && depth_ == list_depth_;
    const bool member = in_list() && depth_ == list_depth_ + 1 && key_ != Key::kOther;
    if (item && !room(error)) return false;
    if (item || member) {
      const auto text = kept({last.data(), last.size()});
      if (item) out.flags.push_back({text, {}, {}, {}});
      else set(text);
    }
    parts_.clear();
    return true;
  }
  bool on_number_part(json::string_view, error_code&) { return true; }
  bool on_int64(std::int64_t, json::string_view, error_code& error) { return other(error, false); }
  bool on_uint64(std::uint64_t, json::string_view, error_code& error) { return other(error, false); }
  bool on_double(double, json::string_view, error_code& error) { return other(error, false); }
  bool on_bool(bool, error_code& error) { return other(error, false); }
  bool on_null(error_code& error) { return other(error, true); }
  bool on_comment_part(json::string_view, error_code&) { return true; }
  bool on_comment(json::string_view, error_code&) { return true; }

 private:
  enum class Key { kOther, kFlags, kFlag, kSploit, kTeam, kService };

  bool in_list() const { return list_depth_ != 0; }
  bool refuse(error_code& error, std::string message, const char* reason = "invalid-body") {
    failure = Error{Code::kInvalid, reason, std::move(message), {}, {}};
    error = json::error::syntax;
    return false;
  }
  bool wrong_type(error_code& error) {
    return refuse(
        error,
        fmt::format("\"flag\", \"sploit\", \"team\" and \"service\" are texts; that of the flag at place {} is not.",
                    out.flags.size()));
  }
  bool room(error_code& error) {
    if (out.flags.size() < most_) return true;
    return refuse(error, fmt::format("At most {} flags go into one request; send them in several.", most_),
                  "too-many-flags");
  }
  bool other(error_code& error, bool null) {
    if (in_list() && depth_ == list_depth_)
      return refuse(error, fmt::format("What stands at place {} is no flag.", out.flags.size()));
    if (in_list() && depth_ == list_depth_ + 1 && key_ != Key::kOther && !(null && key_ != Key::kFlag))
      return wrong_type(error);
    return true;
  }
  std::string_view whole(std::string_view last) {
    if (parts_.empty()) return last;
    parts_ += last;
    return parts_;
  }
  /// A text that lies in the body as it is needs no copy.
  std::string_view kept(std::string_view last) {
    const bool in_body =
        parts_.empty() && last.data() >= body_.data() && last.data() + last.size() <= body_.data() + body_.size();
    if (in_body || (parts_.empty() && last.empty())) return last;
    return out.unescaped.emplace_back(whole(last));
  }
  void set(std::string_view text) {
    switch (key_) {
      case Key::kFlag:
        flag_.flag = text;
        has_flag_ = true;
        break;
      case Key::kSploit:
        flag_.sploit = text;
        break;
      case Key::kTeam:
        flag_.team = text;
        break;
      case Key::kService:
        flag_.service = text;
        break;
      default:
        break;
    }
  }

  std::string_view body_;
  std::size_t most_;
  std::size_t depth_ = 0, list_depth_ = 0;  ///< of the list of flags; 0: we are not in it
  bool listed_ = false, has_flag_ = false;
  Key key_ = Key::kOther;
  NewFlag flag_;
  std::string parts_;
};

}  // namespace

Result<PostedFlags> read_post(std::string_view body, std::size_t most) {
  json::parse_options options;
  options.max_depth = kMostDepth;
  json::basic_parser<Handler> parser(options, body, most);
  error_code error;
  const std::size_t used = parser.write_some(false, body.data(), body.size(), error);
  auto& handler = parser.handler();
  if (handler.failure) return fail(std::move(*handler.failure));
  if (error)
    return fail(Code::kInvalid, "invalid-body",
                fmt::format("The body is no JSON: {} at byte {}.", error.message(), used));
  if (body.find_first_not_of(" \t\r\n", used) != std::string_view::npos) {
    return fail(Code::kInvalid, "invalid-body",
                fmt::format("The body has something behind its JSON, at byte {}.", used));
  }
  return std::move(handler.out);
}

}  // namespace tiltyard::farm
