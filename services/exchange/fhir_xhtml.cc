#include "services/exchange/fhir_xhtml.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "services/exchange/fhir_definitions.h"

namespace custodian::exchange {
namespace {

bool IsSpace(char c) { return absl::ascii_isspace(static_cast<unsigned char>(c)); }
bool IsNamePart(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == ':' || c == '_'; }

// What a link or an image may lead to.
bool IsHarmlessAddress(std::string_view value) {
  std::string address;
  for (const char c : value) {
    if (static_cast<unsigned char>(c) > ' ') address += absl::ascii_tolower(static_cast<unsigned char>(c));
  }
  // An entity could hide what the address is.
  const auto colon = address.find_first_of(":&");
  if (colon == std::string::npos || address[colon] == '&' || address.find_first_of("/?#") < colon) {
    return address.find("&#") == std::string::npos && !absl::StrContains(address, "&colon;");
  }
  for (const char* scheme : {"http:", "https:", "mailto:", "tel:", "urn:", "cid:"}) {
    if (absl::StartsWith(address, scheme)) return true;
  }
  return absl::StartsWith(address, "data:image/") && !absl::StartsWith(address, "data:image/svg");
}

constexpr std::string_view kNamespace = "http://www.w3.org/1999/xhtml";

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  bool Run() {
    SkipSpace();
    while (at_ < text_.size()) {
      if (text_[at_] != '<') {
        if (open_.empty() && !IsSpace(text_[at_])) return false;
        has_content_ = has_content_ || !IsSpace(text_[at_]);
        ++at_;
      } else if (Take("<!--")) {
        const auto end = text_.find("-->", at_);
        if (end == std::string_view::npos) return false;
        at_ = end + 3;
      } else if (Take("</")) {
        const std::string_view name = Name();
        SkipSpace();
        if (open_.empty() || open_.back() != name || !Take(">")) return false;
        open_.pop_back();
      } else if (!OpenTag()) {
        return false;
      }
    }
    return began_ && open_.empty() && has_content_;
  }

 private:
  bool Take(std::string_view token) {
    if (!text_.substr(at_).starts_with(token)) return false;
    at_ += token.size();
    return true;
  }
  void SkipSpace() {
    while (at_ < text_.size() && IsSpace(text_[at_])) ++at_;
  }
  std::string_view Name() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && IsNamePart(text_[at_])) ++at_;
    return text_.substr(begin, at_ - begin);
  }

  bool OpenTag() {
    ++at_;
    const std::string_view name = Name();
    // One div holds all.
    if (open_.empty() && (began_ || name != "div")) return false;
    if (!NarrativeElements().contains(name)) return false;
    if (name == "img") has_content_ = true;
    const bool is_root = !std::exchange(began_, true);
    while (true) {
      SkipSpace();
      const bool closes = text_.substr(at_).starts_with('>') || text_.substr(at_).starts_with("/>");
      if (closes && is_root && !has_namespace_) return false;
      if (Take("/>")) return true;
      if (Take(">")) {
        open_.push_back(name);
        return open_.size() < kDepthMax;
      }
      if (!Attribute()) return false;
    }
  }

  bool Attribute() {
    const std::string_view name = Name();
    SkipSpace();
    if (name.empty() || !Take("=")) return false;
    SkipSpace();
    if (at_ >= text_.size() || (text_[at_] != '"' && text_[at_] != '\'')) return false;
    const char quote = text_[at_++];
    const auto end = text_.find(quote, at_);
    if (end == std::string_view::npos) return false;
    const std::string_view value = text_.substr(at_, end - at_);
    at_ = end + 1;
    if (value.find('<') != std::string_view::npos) return false;
    if (name == "xmlns") {
      has_namespace_ = true;
      return value == kNamespace;
    }
    if (name == "href" || name == "src" || name == "cite" || name == "longdesc") return IsHarmlessAddress(value);
    return name.starts_with("xmlns:") || name.starts_with("xml:") || NarrativeAttributes().contains(name);
  }

  static constexpr std::size_t kDepthMax = 256;
  const std::string_view text_;
  std::size_t at_ = 0;
  bool began_ = false;
  bool has_content_ = false;
  bool has_namespace_ = false;
  std::vector<std::string_view> open_;
};

}  // namespace

bool IsNarrativeXhtml(std::string_view text) { return Reader(text).Run(); }

}  // namespace custodian::exchange
