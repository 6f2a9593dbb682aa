#include "net/parse.h"

#include <boost/beast/http/basic_parser.hpp>

#include <algorithm>

#include "net/text.h"

namespace tiltyard::http {
namespace {

namespace beast = boost::beast;
namespace wire = boost::beast::http;
using boost::system::error_code;

/// What a caller may leave unread while a line of chunk sizes or trailers is not complete; no honest one is longer.
constexpr std::size_t kLongestLine = 16 * 1024;
constexpr std::size_t kAnswerHeadLimit = 256 * 1024;
/// What RFC 9110 (4.1) asks everybody to take at least, and no request of ours comes near.
constexpr std::size_t kLongestTarget = 8000;
/// What a body gets at first.
constexpr std::size_t kFirstRoom = 16 * 1024;
/// Browsers send some twenty fields.
constexpr std::size_t kMostFields = 100;

/// The events of Beast's parser, gathered into our own types without a second copy of the fields.
template <bool is_request>
class Parser : public wire::basic_parser<is_request> {
 public:
  Headers* headers = nullptr;
  std::string method, target, body;
  int status = 0, version = 11;
  bool head_done = false, folded = false;
  std::string_view window;

 private:
  void on_request_impl(wire::verb, beast::string_view name, beast::string_view where, int http_version,
                       error_code&) override {
    method.assign(name.data(), name.size());
    target.assign(where.data(), where.size());
    version = http_version;
  }
  void on_response_impl(int code, beast::string_view, int http_version, error_code&) override {
    status = code;
    version = http_version;
  }
  void on_field_impl(wire::field, beast::string_view name, beast::string_view value, error_code&) override {
    if (head_done) return;  // trailers: nobody asked for them, and they must never pass as header fields
    // A value that the parser had to unfold lies in its own buffer rather than in what it was given.
    if (!value.empty() && (value.data() < window.data() || value.data() >= window.data() + window.size()))
      folded = true;
    headers->add(std::string(name.data(), name.size()), std::string(value.data(), value.size()));
  }
  void on_header_impl(error_code&) override { head_done = true; }
  void on_body_init_impl(const boost::optional<std::uint64_t>& length, error_code&) override {
    // The length is only what somebody says: more room comes with the bytes.
    if (length) body.reserve(std::min<std::uint64_t>(*length, kFirstRoom));
  }
  std::size_t on_body_impl(beast::string_view bytes, error_code&) override {
    body.append(bytes.data(), bytes.size());
    return bytes.size();
  }
  void on_chunk_header_impl(std::uint64_t, beast::string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view bytes, error_code&) override {
    body.append(bytes.data(), bytes.size());
    return bytes.size();
  }
  void on_finish_impl(error_code&) override {}
};

template <bool is_request>
std::size_t pump(Parser<is_request>& parser, std::string_view bytes, error_code& error) {
  std::size_t used = 0;
  while (used < bytes.size() && !parser.is_done()) {
    const bool in_head = !parser.is_header_done();
    parser.window = bytes.substr(used);
    used += parser.put(boost::asio::const_buffer(parser.window.data(), parser.window.size()), error);
    if (error == wire::error::need_more) {
      error = {};
      if (!in_head && bytes.size() - used > kLongestLine) error = wire::error::bad_chunk;
      break;
    }
    if (error || (in_head && parser.is_header_done())) break;
  }
  return used;
}

std::size_t count(const Headers& headers, std::string_view name) {
  return static_cast<std::size_t>(
      std::ranges::count_if(headers, [name](const Headers::Field& field) { return same_text(field.first, name); }));
}

/// Whether the first line is whole and names no version. Beast waits for the rest of the head, which the simple
/// requests of HTTP/0.9 do not have.
bool lacks_version(std::string_view head) {
  const auto end = head.find('\n');
  if (end == std::string_view::npos) return false;
  const auto line = head.substr(0, end).substr(0, head.substr(0, end).find_last_not_of('\r') + 1);
  const auto version = line.find(' ', line.find(' ') + 1);
  return !line.empty() && (version == std::string_view::npos || line.find_first_not_of(' ', version) == line.npos);
}

}  // namespace

struct RequestReader::Impl {
  Parser<true> parser;
  Request request;
  std::size_t head_limit = 0, head_size = 0;
  Stage stage = Stage::kHead;
  int failure = 0;
  std::string why;

  void spoil(int status, std::string reason) {
    stage = Stage::kBad;
    failure = status;
    why = std::move(reason);
  }

  /// Too large already in its first line is another matter than too large in its fields (RFC 9110, 15.5.15; RFC 6585,
  /// 5).
  void spoil_size(std::string_view head) {
    const bool first_line = parser.target.empty() && head.substr(0, head.find('\n')).size() > kLongestTarget;
    if (first_line) spoil(414, "The address of the request is too long.");
    else spoil(431, "The head of the request is too large.");
  }

  void spoil(const error_code& error) {
    if (error == wire::error::body_limit) spoil(413, "The body of the request is too large.");
    else if (error == wire::error::bad_version) spoil(505, "Only HTTP/1.0 and HTTP/1.1 are spoken here.");
    else spoil(400, "The request is malformed: " + error.message() + ".");
  }

  void check_head() {
    request.method = std::move(parser.method);
    request.target = std::move(parser.target);
    const Headers& headers = request.headers;
    const auto encodings = count(headers, "Transfer-Encoding");
    const auto lengths = count(headers, "Content-Length");
    if (request.target.size() > kLongestTarget) return spoil(414, "The address of the request is too long.");
    if (head_size > head_limit) return spoil(431, "The head of the request is too large.");
    if (headers.size() > kMostFields) return spoil(431, "The head of the request has too many fields.");
    if (parser.folded) return spoil(400, "Folded header lines are not accepted.");
    if (encodings > 0 && (lengths > 0 || parser.version < 11))
      return spoil(400, "The length of the body is ambiguous.");
    if (encodings > 1 || (encodings == 1 && !same_text(trim(headers.get("Transfer-Encoding")), "chunked"))) {
      return spoil(501, "The only transfer coding spoken here is chunked.");
    }
    const bool one_length = lengths == 1 && headers.get("Content-Length").find(',') == std::string_view::npos;
    if (lengths > 0 && !one_length) return spoil(400, "The length of the body is ambiguous.");
    const auto hosts = count(headers, "Host");
    if (hosts > 1 || (hosts == 0 && parser.version >= 11)) return spoil(400, "A request names exactly one Host.");
    stage = parser.is_done() ? Stage::kDone : Stage::kBody;
  }
};

RequestReader::RequestReader(std::size_t head_limit) : impl_(std::make_unique<Impl>()) {
  impl_->head_limit = head_limit;
  impl_->parser.headers = &impl_->request.headers;
  impl_->parser.header_limit(static_cast<std::uint32_t>(head_limit));
  impl_->parser.body_limit(boost::none);
}
RequestReader::~RequestReader() = default;
RequestReader::RequestReader(RequestReader&&) noexcept = default;
RequestReader& RequestReader::operator=(RequestReader&&) noexcept = default;

std::size_t RequestReader::feed(std::string_view bytes) {
  Impl& in = *impl_;
  if (in.stage == Stage::kBad || in.stage == Stage::kDone) return 0;
  if (in.stage == Stage::kHead && in.head_size == 0 && lacks_version(bytes)) {
    in.spoil(400, "The first line of the request names no version of HTTP.");
    return 0;
  }
  error_code error;
  const std::size_t used = pump(in.parser, bytes, error);
  if (in.stage == Stage::kHead) in.head_size += used;
  if (error == wire::error::header_limit) {
    in.spoil_size(bytes);
  } else if (error) {
    in.spoil(error);
  } else if (in.stage == Stage::kHead && in.parser.is_header_done()) {
    in.check_head();
  } else if (in.stage == Stage::kHead && in.head_size + (bytes.size() - used) > in.head_limit) {
    in.spoil_size(bytes);
  } else if (in.stage == Stage::kBody && in.parser.is_done()) {
    in.stage = Stage::kDone;
  }
  if (in.stage == Stage::kDone) in.request.body = std::move(in.parser.body);
  return used;
}

Stage RequestReader::stage() const { return impl_->stage; }
int RequestReader::failure() const { return impl_->failure; }
std::string_view RequestReader::why() const { return impl_->why; }
Request& RequestReader::request() { return impl_->request; }
bool RequestReader::http_1_0() const { return impl_->parser.version < 11; }
bool RequestReader::keep_alive() const { return impl_->parser.keep_alive(); }
bool RequestReader::expects_continue() const {
  return !http_1_0() && same_text(impl_->request.headers.get("Expect"), "100-continue");
}
std::optional<std::uint64_t> RequestReader::content_length() const {
  const auto length = impl_->parser.content_length();
  return length ? std::optional<std::uint64_t>(*length) : std::nullopt;
}
std::size_t RequestReader::body_size() const { return impl_->parser.body.size(); }
void RequestReader::limit_body(std::size_t bytes) { impl_->parser.body_limit(bytes); }

struct ResponseReader::Impl {
  Parser<false> parser;
  Response response;
  Stage stage = Stage::kHead;
  std::string why;

  void spoil(std::string reason) {
    stage = Stage::kBad;
    why = std::move(reason);
  }
};

ResponseReader::ResponseReader(bool to_head_request) : impl_(std::make_unique<Impl>()) {
  impl_->parser.headers = &impl_->response.headers;
  impl_->parser.header_limit(kAnswerHeadLimit);
  impl_->parser.body_limit(boost::none);
  impl_->parser.skip(to_head_request);
}
ResponseReader::~ResponseReader() = default;
ResponseReader::ResponseReader(ResponseReader&&) noexcept = default;
ResponseReader& ResponseReader::operator=(ResponseReader&&) noexcept = default;

std::size_t ResponseReader::feed(std::string_view bytes) {
  Impl& in = *impl_;
  if (in.stage == Stage::kBad || in.stage == Stage::kDone) return 0;
  error_code error;
  const std::size_t used = pump(in.parser, bytes, error);
  if (error) {
    in.spoil(error.message());
  } else if (in.stage == Stage::kHead && in.parser.is_header_done()) {
    in.response.status = in.parser.status;
    in.stage = in.parser.is_done() ? Stage::kDone : Stage::kBody;
  } else if (in.stage == Stage::kBody && in.parser.is_done()) {
    in.stage = Stage::kDone;
  }
  return used;
}

void ResponseReader::feed_end() {
  Impl& in = *impl_;
  if (in.stage == Stage::kDone || in.stage == Stage::kBad) return;
  error_code error;
  if (in.parser.got_some()) in.parser.put_eof(error);
  else error = wire::error::end_of_stream;
  if (error || in.stage == Stage::kHead) in.spoil("the peer closed the connection in mid-answer");
  else in.stage = Stage::kDone;
}

Stage ResponseReader::stage() const { return impl_->stage; }
std::string_view ResponseReader::why() const { return impl_->why; }
bool ResponseReader::started() const { return impl_->parser.got_some(); }
Response& ResponseReader::response() { return impl_->response; }
std::string ResponseReader::take_body() { return std::exchange(impl_->parser.body, {}); }
std::size_t ResponseReader::body_size() const { return impl_->parser.body.size(); }
bool ResponseReader::keep_alive() const { return impl_->parser.keep_alive(); }
bool ResponseReader::until_end() const { return impl_->parser.need_eof(); }

}  // namespace tiltyard::http
