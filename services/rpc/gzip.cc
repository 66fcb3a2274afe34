#include "services/rpc/gzip.h"

#include <zlib.h>

#include <algorithm>
#include <new>

namespace custodian::rpc {
namespace {

// zlib's window, and 16 for a gzip header (zlib.h, deflateInit2).
constexpr int kGzipWindow = MAX_WBITS + 16;
constexpr int kMemoryLevel = 8;
constexpr std::size_t kPartBytes = 65'536;

// zlib takes its input as mutable, and does not change it.
Bytef* Input(std::string_view bytes) { return reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data())); }

}  // namespace

std::string Gzip(std::string_view bytes) {
  z_stream stream{};
  if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, kGzipWindow, kMemoryLevel, Z_DEFAULT_STRATEGY) != Z_OK) throw std::bad_alloc();
  std::string packed(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = Input(bytes);
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  // The bound is for one call.
  static_cast<void>(deflate(&stream, Z_FINISH));
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

std::string GunzipPrefix(std::string_view bytes, std::size_t bytes_max) {
  z_stream stream{};
  if (inflateInit2(&stream, kGzipWindow) != Z_OK) throw std::bad_alloc();
  stream.next_in = Input(bytes);
  stream.avail_in = static_cast<uInt>(bytes.size());
  std::string whole;
  int result = Z_OK;
  while (result == Z_OK && whole.size() < bytes_max) {
    char part[kPartBytes];
    const std::size_t room = std::min(kPartBytes, bytes_max - whole.size());
    stream.next_out = reinterpret_cast<Bytef*>(part);
    stream.avail_out = static_cast<uInt>(room);
    result = inflate(&stream, Z_SYNC_FLUSH);
    whole.append(part, room - stream.avail_out);
    // A member may follow another (RFC 1952, section 2.2).
    if (result == Z_STREAM_END && stream.avail_in > 0) result = inflateReset(&stream);
  }
  inflateEnd(&stream);
  return whole;
}

}  // namespace custodian::rpc
