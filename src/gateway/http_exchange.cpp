// One exchange: request and answer pass side by side, each with a bounded buffer; a side that does not take its bytes
// stops the reading of the other.
#include <sys/uio.h>

#include <algorithm>
#include <array>

#include "gateway/http_session.h"
#include "gateway/rewrite.h"

namespace tiltyard::gateway {

namespace {

// The head of an answer may be as long as a block; machines with more are not spoken to.
constexpr std::size_t kAnswerHeadLimit = 60 * 1024;
// Interim answers before the final one.
constexpr int kMostInterims = 100;

/// What is left of a head, and the body bytes behind it, for one gathered write.
struct Gather {
  std::array<iovec, 2> pieces;
  std::size_t count = 0;

  Gather(std::string& head, std::size_t head_sent, std::string_view body) {
    if (head_sent < head.size()) pieces[count++] = {head.data() + head_sent, head.size() - head_sent};
    if (!body.empty()) pieces[count++] = {const_cast<char*>(body.data()), body.size()};
  }
  std::span<const iovec> span() const { return {pieces.data(), count}; }
};

/// Takes `size` written bytes off the head first, then off the buffer.
void advance_by(std::size_t size, const std::string& head, std::size_t& head_sent, Buffer& body) {
  auto of_head = std::min(size, head.size() - head_sent);
  head_sent += of_head;
  if (size > of_head) body.sent(size - of_head);
}

}  // namespace

bool HttpSession::exchange() {
  if (client_.broken) {
    end();
    return false;
  }
  if (must_wait()) return !held();
  bool moved = send_request();
  if (state_ != State::kExchange) return true;
  moved = pass_answer() || moved;
  if (state_ != State::kExchange) return true;
  bool ended = client_.peer_ended && !exchange_.client_ended;
  if (ended) exchange_.client_ended = true;
  if (moved || ended) touch();
  return moved;
}

bool HttpSession::send_request() {
  if (exchange_.request_lost || request_sent()) return false;
  if (!in_body_.done() && in_.ready().empty() && !in_.raw().empty() && !filter_request()) return false;
  Gather gather(up_head_, up_sent_, in_.ready());
  if (gather.count == 0) return !in_body_.done() && read_body();
  auto& stream = machine_->stream;
  if (!stream.writable) return false;
  auto sent = stream.write(gather.span());
  if (sent.state == Io::kBlocked) return false;
  if (sent.state != Io::kOk) {
    // The machine may have answered before it closed: what it said is still to be read.
    exchange_.request_lost = true;
    stream.readable = true;
    return true;
  }
  advance_by(sent.size, up_head_, up_sent_, in_);
  count(sent.size, 0);
  return true;
}

bool HttpSession::read_body() {
  if (!client_.readable) return false;
  auto [to, size] = in_.room();
  auto got = client_.read(to, size);
  if (got.state == Io::kOk) {
    in_.received(got.size);
    return true;
  }
  if (in_.empty()) in_.clear();
  if (got.state != Io::kBlocked) end();
  return false;
}

bool HttpSession::filter_request() {
  auto raw = in_.raw();
  auto step = in_body_.filter(in_.raw_data(), raw.size(), in_.ready_end());
  in_.filtered(step.consumed, step.produced);
  if (step.valid) return true;
  in_body_.begin({Framing::Kind::kUntilClose, 0});  // its end cannot be found any more: the connection must close
  answer_page(Page::kRefused, 400, {}, "The chunked body is malformed.");
  return false;
}

bool HttpSession::pass_answer() {
  if (down_sent_ < down_head_.size() || !out_.ready().empty()) return flush_answer();
  if (!exchange_.head_done) return read_answer_head();
  if (out_body_.done()) {
    finish_exchange();
    return true;
  }
  if (out_.raw().empty()) return read_machine();
  return filter_answer();
}

bool HttpSession::flush_answer() {
  if (!client_.writable) return false;
  Gather gather(down_head_, down_sent_, out_.ready());
  auto sent = client_.write(gather.span());
  if (sent.state == Io::kBlocked) return false;
  if (sent.state != Io::kOk) {
    end();
    return false;
  }
  advance_by(sent.size, down_head_, down_sent_, out_);
  count(0, sent.size);
  return true;
}

bool HttpSession::read_answer_head() {
  auto bytes = out_.raw();
  auto found = bytes.empty() ? HeadEnd::State::kMore : out_scan_.find(bytes);
  if (found == HeadEnd::State::kMore) {
    if (bytes.size() >= kAnswerHeadLimit) return refuse_answer("The head of its answer is too long.");
    // Something else than HTTP may never end its first line.
    if (!may_be_answer(bytes.substr(out_scan_.start()))) return refuse_answer("The first line is not one of HTTP.");
    return read_machine();
  }
  const auto size = out_scan_.end() - out_scan_.start();
  if (out_scan_.folded()) unfold({out_.raw_data() + out_scan_.start(), size});
  return take_answer_head(bytes.substr(out_scan_.start(), size));
}

bool HttpSession::refuse_answer(std::string_view why) {
  shard_.totals().upstream_errors.add();
  answer_page(Page::kBadAnswer, 502, {}, why);
  return true;
}

bool HttpSession::take_answer_head(std::string_view bytes) {
  static thread_local ResponseHead head;
  if (auto refusal = parse_response(bytes, exchange_.head_only, head)) return refuse_answer(refusal->why);
  if (head.status < 200) return take_interim(head);
  bool until_close = head.framing.kind == Framing::Kind::kUntilClose;
  bool decode = exchange_.http10 && head.framing.kind == Framing::Kind::kChunked;
  exchange_.status = head.status;
  exchange_.head_done = true;
  await_answer(false);
  // Behind a 204 that speaks of a body there may be one, which would be taken for the beginning of the next answer.
  const bool odd = head.status == 204 && (head.coded || head.sized);
  exchange_.machine_keeps = head.persistent() && !until_close && !odd && !exchange_.cut_short;
  // If the request is not over yet, what follows of it could not be told from the next one.
  exchange_.keep_alive = exchange_.keep_alive && !until_close && !decode && in_body_.done() &&
                         !exchange_.request_lost && !shard_.draining();
  down_head_.clear();
  down_sent_ = 0;
  const AnswerShape shape{
      exchange_.http10 ? 0 : 1,      exchange_.keep_alive,        false,
      instance_->called(*endpoint_), endpoint_->address().port(), secure_ ? shard_.options().hsts.count() : 0};
  write_response_head(head, shape, down_head_);
  out_body_.begin(head.framing, decode, Reading::kAnswer);
  out_.skip(out_scan_.end());
  out_scan_.reset();
  return out_body_.done() || out_.raw().empty() || filter_answer();
}

bool HttpSession::take_interim(const ResponseHead& head) {
  bool switches = head.status == 101;
  bool wanted = switches && exchange_.websocket && head.connection_upgrade && same_text(head.upgrade, "websocket");
  if (switches && !wanted) return refuse_answer("It switched to a protocol that nobody asked for.");
  if (++exchange_.interims > kMostInterims) return refuse_answer("It sends interim answers without end.");
  down_head_.clear();
  down_sent_ = 0;
  if (!exchange_.http10) write_response_head(head, {1, true, switches}, down_head_);
  out_.skip(out_scan_.end());
  out_scan_.reset();
  if (switches) begin_tunnel();
  return true;
}

void HttpSession::begin_tunnel() {
  shard_.totals().requests[1].add();
  await_answer(false);
  tunnel_.emplace(shard_.pipes(), client_, machine_->stream);
  // What either side said right behind its head goes first.
  tunnel_->in().begin_with(std::string(in_.raw()));
  tunnel_->out().begin_with(down_head_ + std::string(out_.raw()));
  in_.clear();
  out_.clear();
  down_head_.clear();
  down_sent_ = 0;
  counted_in_ = counted_out_ = 0;
  state_ = State::kTunnel;
  touch();
}

bool HttpSession::tunnel() {
  if (must_wait()) return false;
  bool progress = false, more = false;
  auto state = tunnel_->run(progress, more);
  auto in = tunnel_->in().moved(), out = tunnel_->out().moved();
  const int before = std::exchange(stuck_, tunnel_->stuck());
  if (progress || stuck_ != before) touch();
  if (progress) {
    // They came between the look and the relay.
    if (asleep() && in > counted_in_) shard_.ask_to_wake(*instance_);
    count(in - counted_in_, out - counted_out_);
    counted_in_ = in;
    counted_out_ = out;
  }
  if (state == Relay::State::kBroken) cut();
  if (state == Relay::State::kFinished) end();
  if (state == Relay::State::kOpen && more) shard_.loop().again(*this);
  return false;
}

bool HttpSession::read_machine() {
  auto& stream = machine_->stream;
  if (!stream.readable) return false;
  auto [to, size] = out_.room();
  auto got = stream.read(to, size);
  if (got.state == Io::kOk) {
    out_.received(got.size);
    exchange_.answered = true;
    return true;
  }
  if (out_.empty()) out_.clear();
  if (got.state == Io::kBlocked) return false;
  return machine_gone(got.state == Io::kEnd);
}

bool HttpSession::filter_answer() {
  auto raw = out_.raw();
  auto step = out_body_.filter(out_.raw_data(), raw.size(), out_.ready_end());
  out_.filtered(step.consumed, step.produced);
  if (step.valid) return true;
  // Part of the answer is out: the cut is the only way to tell the client that it is broken.
  shard_.totals().upstream_errors.add();
  cut();
  return false;
}

bool HttpSession::machine_gone(bool properly) {
  if (exchange_.head_done) {
    if (properly && out_body_.ended_by_close()) {
      out_body_.finish();
      exchange_.machine_keeps = false;
      return true;
    }
    if (const auto end = out_body_.missing_end(); properly && end) {
      down_head_ = *end;
      down_sent_ = 0;
      out_body_.finish();
      exchange_.machine_keeps = false;
      return true;
    }
    shard_.totals().upstream_errors.add();
    cut();
    return false;
  }
  if (properly && !out_.raw().empty() && !exchange_.cut_short) return end_head();
  if (machine_->reused && !exchange_.answered) endpoint_->note_end(*machine_);
  // A kept connection that died before a byte of an answer: the machine had closed it meanwhile, not refused us.
  if (!exchange_.answered && machine_->reused && exchange_.retryable && !exchange_.retried) {
    exchange_.retried = true;
    exchange_.request_lost = false;
    up_sent_ = 0;
    drop_machine();
    connect_machine();
    return true;
  }
  shard_.totals().upstream_errors.add();
  answer_page(exchange_.answered ? Page::kBadAnswer : Page::kNoAnswer, 502);
  return true;
}

/// Closing ends a head as well as an empty line does, to browsers; what follows is an empty body.
bool HttpSession::end_head() {
  exchange_.cut_short = true;
  auto [to, size] = out_.room();
  constexpr std::string_view kEnd = "\r\n\r\n";
  if (size < kEnd.size()) return refuse_answer("The head of its answer is too long.");
  kEnd.copy(to, kEnd.size());
  out_.received(kEnd.size());
  machine_->stream.readable = true;  // the end is still to be read
  return true;
}

void HttpSession::finish_exchange() {
  shard_.totals().requests[static_cast<std::size_t>(exchange_.status / 100)].add();
  bool reusable = exchange_.machine_keeps && request_sent() && !exchange_.request_lost && out_.raw().empty();
  if (reusable) endpoint_->keep(std::move(machine_));
  else drop_machine();
  out_.clear();
  if (exchange_.keep_alive) next_request();
  else begin_linger();
}

}  // namespace tiltyard::gateway
