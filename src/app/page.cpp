#include "app/page.h"

#include <array>
#include <string>
#include <utility>

#include "app/assets.h"

namespace tiltyard::app {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kTypes{{
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".svg", "image/svg+xml"},
}};

std::string_view type_of(std::string_view name) {
  for (const auto& [ending, type] : kTypes) {
    if (name.ends_with(ending)) return type;
  }
  return "application/octet-stream";
}

}  // namespace

http::Response page(const http::Request& request) {
  std::string_view name = std::string_view(request.path).substr(request.path.starts_with('/') ? 1 : 0);
  const bool route = name.find('.') == std::string_view::npos;
  if (route) name = "index.html";
  const auto content = name.ends_with(".json") ? std::nullopt : asset(name);
  if (!content || request.path.starts_with("/api/")) {
    return http::problem(Error{Code::kNotFound, "route-unknown", "There is nothing at this address.", {}, {}});
  }
  http::Response response;
  response.headers.set("Content-Type", std::string(type_of(name)));
  // The names do not change with the content: ask again each time, it costs one small answer.
  response.headers.set("Cache-Control", "no-cache");
  response.body = std::string(*content);
  return response;
}

}  // namespace tiltyard::app
