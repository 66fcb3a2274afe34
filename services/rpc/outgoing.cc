#include "services/rpc/outgoing.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace custodian::rpc {
namespace {

constexpr std::size_t kUrlBytesMax = 2'048;

// 4 or 16 bytes in network order.
std::optional<std::string> AddressBytes(std::string_view text) {
  // A scope ("fe80::1%eth0") is no part of the address.
  const std::string address(text.substr(0, text.find('%')));
  std::array<char, 16> bytes{};
  if (inet_pton(AF_INET, address.c_str(), bytes.data()) == 1) return std::string(bytes.data(), 4);
  if (inet_pton(AF_INET6, address.c_str(), bytes.data()) != 1) return std::nullopt;
  const std::string six(bytes.data(), 16);
  static const std::string kMapped("\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
  return six.compare(0, 12, kMapped) == 0 ? six.substr(12) : six;
}

// The special-purpose registries of RFC 6890 and those since, multicast, and what translates to IPv4 (where a private address could hide).
constexpr std::string_view kNotPublic[] = {
    "0.0.0.0/8",      "10.0.0.0/8",      "100.64.0.0/10",   "127.0.0.0/8",     "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
    "192.0.2.0/24",   "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24",  "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15",
    "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4",     "240.0.0.0/4",     "::/96",          "64:ff9b::/96",  "64:ff9b:1::/48",
    "100::/64",       "2001::/23",       "2001:db8::/32",   "2002::/16",       "3fff::/20",      "5f00::/16",     "fc00::/7",
    "fe80::/10",      "fec0::/10",       "ff00::/8"};

absl::StatusOr<std::string> HostAndPort(std::string_view url) {
  constexpr std::string_view kScheme = "https://";
  if (url.size() > kUrlBytesMax) return absl::InvalidArgumentError("the URL is longer than 2048 bytes");
  const bool plain = std::all_of(url.begin(), url.end(), [](char c) { return static_cast<unsigned char>(c) > 0x20 && c != 0x7F && c != '\\'; });
  if (!plain || url.substr(0, kScheme.size()) != kScheme || url.find('#') != std::string_view::npos)
    return absl::InvalidArgumentError("the URL must begin with https:// and hold no spaces and no fragment");
  url.remove_prefix(kScheme.size());
  const std::string_view authority = url.substr(0, url.find_first_of("/?"));
  if (authority.empty() || authority.find('@') != std::string_view::npos)
    return absl::InvalidArgumentError("the URL must name a host and no user");
  std::string host = absl::AsciiStrToLower(std::string(authority));
  const std::size_t colon = host.rfind(':');
  const std::size_t bracket = host.rfind(']');
  const bool has_port = colon != std::string::npos && (bracket == std::string::npos || colon > bracket);
  return has_port ? host : host + ":443";
}

}  // namespace

absl::StatusOr<IpNetwork> IpNetwork::Parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto bytes = AddressBytes(text.substr(0, slash));
  IpNetwork network;
  const std::string bits(slash == std::string_view::npos ? "" : text.substr(slash + 1));
  if (!bytes || !absl::SimpleAtoi(bits, &network.bits_) || network.bits_ < 0 || network.bits_ > static_cast<int>(bytes->size()) * 8)
    return absl::InvalidArgumentError(absl::StrCat("'", std::string(text), "' is no IP network like 10.20.0.0/16"));
  network.bytes_ = *bytes;
  return network;
}

bool IpNetwork::Contains(std::string_view address) const {
  const auto bytes = AddressBytes(address);
  if (!bytes || bytes->size() != bytes_.size()) return false;
  for (int bit = 0; bit < bits_; ++bit) {
    const auto index = static_cast<std::size_t>(bit / 8);
    const int mask = 0x80 >> (bit % 8);
    if (((static_cast<unsigned char>((*bytes)[index]) ^ static_cast<unsigned char>(bytes_[index])) & mask) != 0) return false;
  }
  return true;
}

bool IsPublicAddress(std::string_view address) {
  static const std::vector<IpNetwork>& networks = *[] {
    auto* list = new std::vector<IpNetwork>();
    for (const std::string_view text : kNotPublic) list->push_back(IpNetwork::Parse(text).value());
    return list;
  }();
  return AddressBytes(address).has_value() &&
         std::none_of(networks.begin(), networks.end(), [address](const IpNetwork& network) { return network.Contains(address); });
}

absl::StatusOr<std::unique_ptr<Outgoing>> Outgoing::Create(Options options) {
  std::vector<std::string> hosts;
  for (const std::string& host : options.hosts) {
    auto host_and_port = HostAndPort("https://" + host);
    if (!host_and_port.ok() || host.find_first_of("/?*") != std::string::npos)
      return absl::InvalidArgumentError(absl::StrCat("'", host, "' is no host like ehr.example.org or ehr.example.org:8443"));
    hosts.push_back(*std::move(host_and_port));
  }
  std::vector<IpNetwork> networks;
  for (const std::string& text : options.private_networks) {
    auto network = IpNetwork::Parse(text);
    if (!network.ok()) return network.status();
    networks.push_back(*network);
  }
  std::unique_ptr<HttpsClient> client;
  if (!hosts.empty()) {
    auto created = HttpsClient::Create({.ca_file = options.ca_file,
                                        .timeout = options.timeout,
                                        .body_bytes_max = options.body_bytes_max,
                                        .admits_address = [networks = std::move(networks)](const std::string& address) {
                                          return IsPublicAddress(address) ||
                                                 std::any_of(networks.begin(), networks.end(),
                                                             [&address](const IpNetwork& network) { return network.Contains(address); });
                                        }});
    if (!created.ok()) return created.status();
    client = *std::move(created);
  }
  return std::unique_ptr<Outgoing>(new Outgoing(std::move(hosts), std::move(client)));
}

absl::Status Outgoing::Check(std::string_view url) const {
  const auto host_and_port = HostAndPort(url);
  if (!host_and_port.ok()) return host_and_port.status();
  if (std::find(hosts_.begin(), hosts_.end(), *host_and_port) == hosts_.end())
    return absl::InvalidArgumentError(
        absl::StrCat("the host ", *host_and_port, " is not among outgoing.hosts of the configuration; the operator adds it there"));
  return absl::OkStatus();
}

absl::StatusOr<HttpResponse> Outgoing::Get(absl::Duration timeout, std::string_view url,
                                           const std::vector<std::pair<std::string, std::string>>& headers) const {
  if (absl::Status status = Check(url); !status.ok()) return status;
  return client_->SendWithin(timeout, "GET", url, headers);
}

}  // namespace custodian::rpc
