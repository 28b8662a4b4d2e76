#pragma once

#include <openssl/crypto.h>

#include <string>
#include <string_view>
#include <utility>

namespace holdfast {

// A key or password. Wiped when destroyed or replaced; there is no way to print it by accident.
class SecretText {
 public:
  SecretText() = default;
  explicit SecretText(std::string_view text) : text_(text) {}
  SecretText(const SecretText&) = default;
  SecretText(SecretText&& other) noexcept : text_(other.text_) { other.Wipe(); }
  SecretText& operator=(const SecretText& other) {
    if (this != &other) {
      Wipe();
      text_ = other.text_;
    }
    return *this;
  }
  SecretText& operator=(SecretText&& other) noexcept {
    if (this != &other) {
      *this = other;
      other.Wipe();
    }
    return *this;
  }
  ~SecretText() { Wipe(); }

  bool empty() const { return text_.empty(); }
  // For the one who signs with it.
  std::string_view Reveal() const { return text_; }

 private:
  void Wipe() {
    OPENSSL_cleanse(text_.data(), text_.capacity());
    text_.clear();
  }
  std::string text_;
};

}  // namespace holdfast
