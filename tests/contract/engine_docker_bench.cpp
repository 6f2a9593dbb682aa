#include "engine_docker_bench.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <stdexcept>

#include "base/id.h"
#include "engine/docker/docker_engine.h"
#include "net/client.h"

namespace tiltyard::engine::contract {
namespace {

namespace fs = std::filesystem;

std::string image_name() { return "tiltyard-enginetest:" + std::to_string(::getpid()); }

DockerOptions options(std::string name_space, std::string socket) {
  DockerOptions out;
  out.name = "docker";
  out.name_space = std::move(name_space);
  out.endpoint = "unix://" + socket;
  return out;
}

std::unique_ptr<Engine> connect(Loop& loop, DockerOptions wanted) {
  auto made = DockerEngine::make(loop.executor(), std::move(wanted));
  if (!made) throw std::runtime_error(made.error().message);
  return std::move(*made);
}

/// Static busybox with links for what it can do, and nothing else.
void build_image(Loop& loop) {
  const fs::path folder = fs::temp_directory_path() / ("enginetest-" + random_hex(6));
  fs::create_directories(folder / "bin");
  for (const char* path : {"/bin/busybox", "/usr/bin/busybox"}) {
    if (fs::exists(path)) fs::copy_file(path, folder / "bin/busybox", fs::copy_options::overwrite_existing);
  }
  for (const char* name :
       {"sh", "echo", "cat", "true", "false", "sleep", "nc", "httpd", "ip", "ping", "id", "grep", "env"}) {
    fs::create_symlink("busybox", folder / "bin" / name);
  }
  BuildSpec spec;
  spec.context = folder.string();
  spec.dockerfile_text = "FROM scratch\nCOPY bin /bin\nCOPY etc /etc\nCMD [\"/bin/sleep\", \"3600\"]\n";
  fs::create_directories(folder / "etc");
  std::ofstream(folder / "etc/passwd") << "root:x:0:0:root:/:/bin/sh\n";
  spec.tag = image_name();
  auto engine = connect(loop, options("enginetest-image", daemon_socket()));
  const auto built = loop.await(engine->images()->build(spec, {}));
  loop.await(engine->close());
  fs::remove_all(folder);
  if (!built) throw std::runtime_error("cannot build the test's image: " + built.error().message + built.error().cause);
}

/// Takes the image away again after the last test.
class ImageEnvironment : public testing::Environment {
 public:
  void TearDown() override {
    if (!built) return;
    Loop loop;
    EXPECT_EQ(tell_daemon(loop, "DELETE", "/images/" + image_name()), 200);
  }
  bool built = false;
};

ImageEnvironment* image_environment =
    static_cast<ImageEnvironment*>(testing::AddGlobalTestEnvironment(new ImageEnvironment));

}  // namespace

std::string daemon_socket() {
  const char* host = std::getenv("DOCKER_HOST");
  const std::string text = host ? host : "";
  return text.starts_with("unix://") ? text.substr(7) : "/var/run/docker.sock";
}

int tell_daemon(Loop& loop, std::string method, std::string target, std::string body) {
  http::Request request;
  request.method = std::move(method);
  request.target = std::move(target);
  request.body = std::move(body);
  request.headers.set("Content-Type", "application/json");
  http::Client client(http::Target::parse("unix://" + daemon_socket()).value());
  const auto answer = loop.await(client.send(std::move(request), std::chrono::seconds{30}));
  EXPECT_TRUE(ok(answer));
  return answer ? answer->status : 0;
}

std::unique_ptr<Bench> make_docker(Loop& loop) {
  if (!image_environment->built) {
    build_image(loop);
    image_environment->built = true;
  }
  return std::make_unique<DockerBench>(loop);
}

DockerBench::DockerBench(Loop& loop) : loop_(loop), name_space_("et" + random_hex(3)) {
  // A /24 at random out of 10.192.0.0/11: several test runs on one host do not meet.
  const std::string noise = random_hex(2);
  const int number = std::stoi(noise, nullptr, 16);
  prefix_ = "10." + std::to_string(192 + number % 32) + "." + std::to_string(number / 32 % 256);
  const std::string socket = (fs::temp_directory_path() / (name_space_ + ".sock")).string();
  relay_ = std::make_unique<Relay>(loop.executor(), socket, daemon_socket());
  DockerOptions through = options(name_space_, socket);
  through.ping_every = std::chrono::milliseconds{500};
  engine_ = connect(loop, through);
}

void DockerBench::remove_image(std::string reference) {
  EXPECT_EQ(tell_daemon(loop_, "DELETE", "/images/" + reference), 200);
}

DockerBench::~DockerBench() {
  if (stranger_) loop_.await(stranger_->close());
}

std::string DockerBench::image() { return image_name(); }

void DockerBench::lose_answer(std::string verb) {
  static const std::map<std::string, std::pair<std::string, std::string>> kCalls{
      {"create", {"POST", "/containers/create"}},
      {"start", {"POST", "/start"}},
      {"destroy", {"DELETE", "/containers/"}},
      {"create_network", {"POST", "/networks/create"}}};
  const auto& [method, path] = kCalls.at(verb);
  relay_->lose_answer(method, path);
}

void DockerBench::add_stranger(std::string name) {
  if (!stranger_) stranger_ = connect(loop_, options(name_space_ + "-stranger", daemon_socket()));
  MachineSpec spec;
  spec.name = name;
  spec.image = image_name();
  EXPECT_TRUE(ok(loop_.await(stranger_->create(spec))));
  EXPECT_TRUE(ok(loop_.await(stranger_->create_volume(name, {}))));
}

void DockerBench::remove_stranger(std::string name) {
  EXPECT_TRUE(ok(loop_.await(stranger_->destroy(Handle{1, name}))));
  EXPECT_TRUE(ok(loop_.await(stranger_->destroy_volume(name))));
}

}  // namespace tiltyard::engine::contract
