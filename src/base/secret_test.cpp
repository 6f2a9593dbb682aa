// What the compiler refuses about secrets (row 15.2): each line here is a way in which one could leak by accident.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <boost/json/value_from.hpp>

#include <concepts>
#include <filesystem>
#include <sstream>
#include <string>
#include <string_view>

#include "base/secret.h"
#include "observe/log.h"

namespace tiltyard {
namespace {

template <class T>
concept Formattable = fmt::is_formattable<T>::value;
template <class T>
concept Serialised = boost::json::has_value_from<T>::value;
template <class T>
concept Hashable = requires(const T& value) { std::hash<T>{}(value); };
template <class T>
concept Comparable = requires(const T& value) { value == value; };
template <class T>
concept Concatenated = requires(const T& value, std::string text) { text + value; };
template <class T>
concept Loggable = std::constructible_from<log::Field, std::string_view, T>;

static_assert(Formattable<std::string> && Loggable<std::string> && Serialised<std::string> && Hashable<std::string> &&
                  Comparable<std::string> && Concatenated<std::string>,
              "the concepts find what they look for");

static_assert(!Formattable<Secret>, "fmt must not print a secret");
static_assert(!Serialised<Secret>, "JSON must not take a secret");
static_assert(!Loggable<Secret>, "a log field must not take a secret");
static_assert(!Hashable<Secret> && !Comparable<Secret>, "a secret is compared in constant time, with equals()");
static_assert(!Concatenated<Secret>);
static_assert(!std::convertible_to<Secret, std::string> && !std::convertible_to<Secret, std::string_view> &&
              !std::convertible_to<const Secret&, const char*> && !std::convertible_to<Secret, std::filesystem::path> &&
              !std::convertible_to<Secret, bool>);
static_assert(!std::convertible_to<std::string, Secret>, "a text becomes a secret only where somebody says so");

TEST(R15_2, ASecretPrintsAsStars) {
  std::ostringstream out;
  out << Secret("hunter2");
  EXPECT_EQ(out.str(), "***");
}

TEST(R15_2, ASecretIsWipedWhereItStood) {
  alignas(Secret) unsigned char place[sizeof(Secret)];
  auto* secret = new (place) Secret("short one");  // stands in the string itself
  secret->~Secret();
  EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(place), sizeof place).find("short"), std::string_view::npos);
}

}  // namespace
}  // namespace tiltyard
