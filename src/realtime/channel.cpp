#include "realtime/channel.h"

#include <boost/asio/post.hpp>

#include <algorithm>

#include "realtime/engine_packet.h"

namespace tiltyard::realtime {
namespace {

/// How often the ways of channels have changed; home loop only.
std::uint64_t& ways() {
  static std::uint64_t changes = 1;
  return changes;
}

}  // namespace

Parcel::Parcel(const std::vector<Message>& messages) {
  std::string bytes;
  std::size_t size = 0;
  for (const auto& message : messages) size += message.data.size() + 15;
  bytes.reserve(size);
  for (const auto& message : messages) {
    const std::size_t length = message.data.size() + (message.binary ? 0 : 1);
    bytes += http::frame_head(message.binary ? http::Opcode::kBinary : http::Opcode::kText, length);
    pieces_.push_back({bytes.size(), length, message.binary});
    if (!message.binary) bytes.push_back(static_cast<char>(engine_io::PacketType::kMessage));
    bytes += message.data;
  }
  frames_ = std::make_shared<const std::string>(std::move(bytes));
}

std::string Parcel::payload() const {
  std::string out;
  for (const auto& piece : pieces_) {
    if (!out.empty()) out.push_back(engine_io::kSeparator);
    const auto bytes = std::string_view(*frames_).substr(piece.at, piece.size);
    if (piece.binary) out.append("b").append(engine_io::to_base64(bytes));
    else out.append(bytes);
  }
  return out;
}

void Audience::add(Channel* channel) {
  if (members_.insert(channel).second) sorted_at_ = 0;
}

void Audience::remove(Channel* channel) {
  if (members_.erase(channel) > 0) sorted_at_ = 0;
}

void Audience::forget_ways() { ++ways(); }

void Audience::sort() {
  groups_.clear();
  others_.clear();
  for (auto* channel : members_) {
    auto socket = channel->wire();
    if (!socket) {
      others_.push_back(channel);
      continue;
    }
    const auto loop = socket->executor();
    auto group = std::ranges::find(groups_, loop, &Group::loop);
    if (group == groups_.end())
      group =
          groups_.insert(groups_.end(), {loop, std::make_shared<std::vector<std::shared_ptr<http::FrameSocket>>>()});
    group->sockets->push_back(std::move(socket));
  }
  sorted_at_ = ways();
}

void Audience::send(const ParcelRef& parcel) {
  if (sorted_at_ != ways()) sort();
  for (const auto& group : groups_) {
    http::asio::post(group.loop, [sockets = group.sockets, frames = parcel->frames()] {
      for (const auto& socket : *sockets) socket->send(frames);
    });
  }
  // A channel whose buffer runs over is closed, and leaves: so from a copy.
  const auto others = others_;
  for (auto* channel : others) {
    if (members_.contains(channel)) channel->send(parcel);
  }
}

}  // namespace tiltyard::realtime
