#include "identity/testing.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <stdexcept>

#include "bus/event_log.h"
#include "observe/log.h"

namespace tiltyard::identity::testing {

namespace fs = std::filesystem;
namespace json = boost::json;

Ask::Ask(std::string method, std::string target, std::string body) {
  request.method = std::move(method);
  request.target = target;
  const auto question = target.find('?');
  request.path = target.substr(0, question);
  if (question != std::string::npos) request.query = target.substr(question + 1);
  request.body = std::move(body);
  request.remote_address = "192.0.2.1";
  request.headers.set("Host", "tiltyard.example");
}

Ask& Ask::bearer(const std::string& secret) { return header("Authorization", "Bearer " + secret); }

Ask& Ask::cookie(const std::string& value, const std::string& name) {
  header("Cookie", name + "=" + value);
  header("X-Tiltyard-Csrf", "1");
  return header("Origin", "http://tiltyard.example");
}

Ask& Ask::header(const std::string& name, const std::string& value) {
  request.headers.set(name, value);
  return *this;
}

Ask& Ask::from(const std::string& address) {
  request.remote_address = address;
  return *this;
}

std::string Answered::reason() const {
  constexpr std::string_view kPrefix = "urn:tiltyard:error:";
  const auto type = text("type");
  return type.starts_with(kPrefix) ? type.substr(kPrefix.size()) : type;
}

std::string Answered::cookie() const {
  const auto field = headers.get("Set-Cookie");
  const auto equals = field.find('=');
  if (equals == std::string_view::npos) return {};
  return std::string(field.substr(equals + 1, field.find(';') - equals - 1));
}

std::string Answered::text(const char* key) const {
  const auto* object = body.if_object();
  const auto* value = object != nullptr ? object->if_contains(key) : nullptr;
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

Options Site::fast() {
  Options options;
  options.strategies = {"local", "token", "address"};
  options.argon_memory = 1024 * 1024;
  options.argon_passes = 1;
  options.password_min = 10;
  return options;
}

Site::Site(Options options) : clock(from_micros(1'767'225'600'000'000)) {
  log::set_level(log::Level::kError);  // what is refused here is refused on purpose
  std::string pattern = (fs::temp_directory_path() / "identity-test-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary folder");
  folder_ = pattern;
  start(std::move(options));
}

Site::~Site() {
  stop();
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

void Site::start(Options options) {
  options.data_folder = folder_;
  auto opened = store::open("sqlite:" + folder_ + "/test.db");
  if (!opened) throw std::runtime_error(opened.error().message + opened.error().cause);
  store_ = std::move(*opened);
  if (const auto migrated = store_->migrate({{"identity", migrations()}, {"bus", bus::migrations()}}); !migrated)
    throw std::runtime_error(migrated.error().cause);
  service = std::make_unique<Service>(std::move(options), *store_, clock, hashing_);
  if (const auto ready = run(service->prepare()); !ready) throw std::runtime_error(ready.error().message);
  router_ = std::make_unique<http::Router>(home_.get_executor());
  routes_ = std::make_unique<house::Routes>(*router_);
  routes_->begin("identity");
  service->add_routes(*routes_);
  router_->set_filter(
      [this](http::Request& request, const http::Route& route) { return service->authorise(request, route); });
}

void Site::stop() {
  auto closed = [](Service& closing) -> asio::awaitable<int> {
    co_await closing.close();
    co_return 0;
  };
  run(closed(*service));
  store_->close();
  router_.reset();
  service.reset();
  store_.reset();
}

void Site::restart(Options options) {
  stop();
  start(std::move(options));
}

template <class T>
T Site::run(asio::awaitable<T> work) {
  std::optional<T> out;
  std::exception_ptr failure;
  auto done = [&](std::exception_ptr thrown, T value) {
    failure = thrown;
    out.emplace(std::move(value));
  };
  asio::co_spawn(home_, std::move(work), done);
  const auto busy = asio::make_work_guard(home_);
  home_.restart();
  while (!out) home_.run_one();
  if (failure) std::rethrow_exception(failure);
  return std::move(*out);
}

// One write after another keeps its order; the second gives the first one's waiters their turn.
void Site::settle() {
  for (int i = 0; i < 2; ++i) run(store_->write([](soci::session&) -> Result<> { return {}; }));
}

template int Site::run(asio::awaitable<int>);
template Result<std::optional<Secret>> Site::run(asio::awaitable<Result<std::optional<Secret>>>);
template Result<std::string> Site::run(asio::awaitable<Result<std::string>>);
template Result<std::map<std::string, OwnerName>> Site::run(asio::awaitable<Result<std::map<std::string, OwnerName>>>);

Answered Site::operator()(Ask ask) {
  std::vector<Ask> one;
  one.push_back(std::move(ask));
  return together(std::move(one)).front();
}

void Site::hold_hashing(std::shared_future<void> until) {
  for (std::size_t i = 0; i < kHashing; ++i) {
    asio::post(hashing_.executor(), [until] { until.wait_for(std::chrono::seconds{10}); });
  }
}

std::vector<Answered> Site::together(std::vector<Ask> asks, std::function<void(std::size_t)> answered) {
  std::vector<Answered> answers(asks.size());
  std::size_t missing = asks.size();
  for (std::size_t i = 0; i < asks.size(); ++i) {
    auto done = [&, i](const std::exception_ptr& failure, http::Response response) {
      if (failure) std::rethrow_exception(failure);
      answers[i].status = response.status;
      answers[i].headers = std::move(response.headers);
      boost::system::error_code no_json;
      answers[i].body = json::parse(response.body, no_json);
      --missing;
      if (answered) answered(answers.size() - missing);
    };
    asio::co_spawn(home_, router_->answer(std::move(asks[i].request)), done);
  }
  const auto busy = asio::make_work_guard(home_);
  home_.restart();
  while (missing > 0) home_.run_one();
  return answers;
}

std::string Site::sign_in(const std::string& name, const std::string& password) {
  const json::object body{{"strategy", "local"}, {"name", name}, {"password", password}};
  return (*this)(Ask("POST", "/api/v1/session", json::serialize(body))).cookie();
}

std::string Site::user(const std::string& name, const std::string& password, const std::string& role) {
  json::object body{{"name", name}, {"role", role}};
  if (!password.empty()) body["password"] = password;
  return (*this)(Ask("POST", "/api/v1/admin/users", json::serialize(body)).bearer(admin())).text("id");
}

std::string Site::admin() const {
  std::ifstream file(folder_ + "/admin.token");
  std::string token;
  std::getline(file, token);
  return token;
}

std::string Site::database() const {
  std::string bytes;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    if (entry.path().filename().string().starts_with("test.db")) {
      std::ifstream file(entry.path(), std::ios::binary);
      bytes.append(std::istreambuf_iterator<char>(file), {});
    }
  }
  return bytes;
}

}  // namespace tiltyard::identity::testing
