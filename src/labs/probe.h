#pragma once

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace tiltyard::labs {

namespace asio = boost::asio;

/// What a machine's port says when it is asked in HTTP.
struct Heard {
  enum class What {
    kRefused,  ///< nobody took the connection
    kSilence,  ///< somebody took it and said nothing for as long as one waited
    kClosed,   ///< … and closed it without a word
    kHttp,     ///< an answer of HTTP, with whatever status
    kOther,    ///< bytes that are none: of a server that talks first, or did not understand
    kTls,      ///< it says itself, in one of these two ways, that it wants TLS
  };
  What what = What::kRefused;
  int status = 0;     ///< of HTTP; 0: the line has none that can be read
  std::string first;  ///< the first bytes, at most `kFirstBytes`, as they came

  static constexpr std::size_t kFirstBytes = 60;
};

struct Question {
  std::string address;
  std::uint16_t port = 0;
  std::string host;  ///< in the field Host
  std::string path = "/";
};

/// Asks once, on a connection of its own. An HTTP client would be too strict: what counts is that something answers,
/// and challenges answer in many ways. A server that talks first is heard as well; who says nothing gets `patience`.
asio::awaitable<Heard> ask(Question question, std::chrono::milliseconds patience);

/// Whether somebody takes a connection; it is closed at once.
asio::awaitable<bool> takes_connections(std::string address, std::uint16_t port, std::chrono::milliseconds patience);

/// Whether nobody says that a datagram to this port finds nobody: there is no more that one can ask of UDP. Sends
/// empty ones for as long as `patience`, since the kernel's word of it (ICMP) is not given for each.
asio::awaitable<bool> takes_datagrams(std::string address, std::uint16_t port, std::chrono::milliseconds patience);

/// For people: "it answered 503", "it said \"welcome\", which is no HTTP", "nobody took the connection".
std::string words_of(const Heard& heard);

/// What the first bytes of an answer are; `whole`: no more will come.
Heard judge(std::string_view bytes, bool whole);

}  // namespace tiltyard::labs
