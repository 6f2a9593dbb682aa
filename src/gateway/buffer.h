#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

namespace tiltyard::gateway {

/// Equal blocks of memory of one loop: a connection has one only while bytes wait in it, so that idle ones cost little.
class BlockPool {
 public:
  using Block = std::unique_ptr<char[]>;

  explicit BlockPool(std::size_t block_size) : block_size_(block_size) {}
  std::size_t block_size() const { return block_size_; }

  Block take() {
    if (free_.empty()) return Block(new char[block_size_]);
    Block block = std::move(free_.back());
    free_.pop_back();
    return block;
  }
  void give_back(Block block) {
    if (free_.size() < kKept) free_.push_back(std::move(block));
  }

 private:
  static constexpr std::size_t kKept = 64;
  std::size_t block_size_;
  std::vector<Block> free_;
};

/// Bytes on their way through: [begin, ready) may go out, [raw, end) came in and has not been looked at.
class Buffer {
 public:
  explicit Buffer(BlockPool& pool) : pool_(pool) {}
  ~Buffer() { clear(); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  std::string_view ready() const { return {block_.get() + begin_, ready_ - begin_}; }
  std::string_view raw() const { return {block_.get() + raw_, end_ - raw_}; }
  bool empty() const { return begin_ == ready_ && raw_ == end_; }

  /// Where the next bytes go; takes a block if there is none, moves what waits to the front if there is no room behind.
  std::pair<char*, std::size_t> room() {
    if (!block_) block_ = pool_.take();
    if (begin_ == ready_) begin_ = ready_ = raw_;
    if (begin_ > 0 && (empty() || end_ == pool_.block_size())) move_to_front();
    return {block_.get() + end_, pool_.block_size() - end_};
  }
  void received(std::size_t size) { end_ += size; }
  void sent(std::size_t size) {
    begin_ += size;
    if (empty()) clear();
  }
  /// Drops raw bytes at the front (a head that has been read).
  void skip(std::size_t size) {
    raw_ += size;
    if (begin_ == ready_) begin_ = ready_ = raw_;
    if (empty()) clear();
  }
  char* raw_data() { return block_.get() + raw_; }
  /// Where filtered bytes go: right behind those that are ready.
  char* ready_end() {
    if (begin_ == ready_) begin_ = ready_ = raw_;
    return block_.get() + ready_;
  }
  void filtered(std::size_t consumed, std::size_t produced) {
    raw_ += consumed;
    ready_ += produced;
    if (empty()) clear();
  }
  /// All raw bytes may go out as they are.
  void pass_all() { filtered(raw().size(), move_raw_down()); }
  void clear() {
    if (block_) pool_.give_back(std::move(block_));
    begin_ = ready_ = raw_ = end_ = 0;
  }

 private:
  std::size_t move_raw_down() {
    auto size = end_ - raw_;
    char* to = ready_end();
    if (size > 0 && to != raw_data()) std::memmove(to, raw_data(), size);
    return size;
  }
  void move_to_front() {
    auto shift = begin_;
    std::memmove(block_.get(), block_.get() + shift, end_ - shift);
    begin_ -= shift;
    ready_ -= shift;
    raw_ -= shift;
    end_ -= shift;
  }

  BlockPool& pool_;
  BlockPool::Block block_;
  std::size_t begin_ = 0, ready_ = 0, raw_ = 0, end_ = 0;
};

}  // namespace tiltyard::gateway
