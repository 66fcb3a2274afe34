#include "services/feeds/hl7_message.h"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"

namespace custodian::feeds {
namespace {

constexpr std::string_view kUtf8 = "UNICODE UTF-8";
constexpr std::string_view kLatin1 = "8859/1";
constexpr std::string_view kAscii = "ASCII";
// Longer than any header that means something; bounds the work on what is no message at all.
constexpr std::size_t kHeaderBytesMax = 8 * 1024;
// MSH-10 (v2.8: 199 characters).
constexpr std::size_t kControlIdBytesMax = 199;

Fault FaultAt(FaultCode code, std::string segment, int sequence, int field, std::string text) {
  return Fault{code, Location{std::move(segment), sequence, field}, std::move(text)};
}

std::string_view Piece(std::string_view text, char separator, int number) {
  for (int i = 1; i < number; ++i) {
    const auto at = text.find(separator);
    if (at == std::string_view::npos) return {};
    text.remove_prefix(at + 1);
  }
  return text.substr(0, text.find(separator));
}

std::vector<std::string_view> Pieces(std::string_view text, char separator, std::size_t pieces_max) {
  std::vector<std::string_view> pieces;
  while (pieces.size() < pieces_max) {
    const auto at = text.find(separator);
    pieces.push_back(text.substr(0, at));
    if (at == std::string_view::npos) break;
    text.remove_prefix(at + 1);
  }
  return pieces;
}

// Bytes of a well-formed UTF-8 character at `at` (RFC 3629); 0 for anything else.
std::size_t CharacterLength(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0u; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xC2 && lead <= 0xDF ? 2 : lead >= 0xE0 && lead <= 0xEF ? 3 : lead >= 0xF0 && lead <= 0xF4 ? 4 : 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xC0u) != 0x80) return 0;
  if ((lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xED && byte(1) > 0x9F) || (lead == 0xF0 && byte(1) < 0x90) || (lead == 0xF4 && byte(1) > 0x8F)) return 0;
  return length;
}

bool IsUtf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = CharacterLength(text, at);
    if (length == 0) return false;
    at += length;
  }
  return true;
}

bool IsAscii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// Nothing when there is a byte that ISO 8859-1 gives no character: what calls itself so and has one is Windows-1252.
std::optional<std::string> FromLatin1(std::string_view text) {
  std::string utf8;
  utf8.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      utf8 += c;
    } else if (byte < 0xA0) {
      return std::nullopt;
    } else {
      utf8 += static_cast<char>(0xC0 | (byte >> 6));
      utf8 += static_cast<char>(0x80 | (byte & 0x3F));
    }
  }
  return utf8;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// What `\body\` stands for; nothing when it is no escape sequence that we know, and stays as written.
std::optional<std::string> EscapeValue(std::string_view body, const Separators& separators) {
  if (body.size() == 1) {
    switch (body[0]) {
      case 'F': return std::string(1, separators.field);
      case 'S': return std::string(1, separators.component);
      case 'R': return std::string(1, separators.repetition);
      case 'E': return std::string(1, separators.escape);
      case 'T': return std::string(1, separators.subcomponent);
      case 'P': return std::string("#");
      // Highlighting begins and ends.
      case 'H':
      case 'N': return std::string();
      default: return std::nullopt;
    }
  }
  if (body.starts_with('.')) {
    // Formatting commands (section 2.7.4): those that begin a line do so, others only indent.
    const std::string_view command = body.substr(1, 2);
    if (command == "br" || command == "sp" || command == "ce") return std::string("\n");
    if (command == "fi" || command == "nf" || command == "in" || command == "ti" || command == "sk") return std::string();
    return std::nullopt;
  }
  if (!body.starts_with('X') || body.size() % 2 == 0 || body.size() < 3) return std::nullopt;
  std::string bytes;
  for (std::size_t i = 1; i < body.size(); i += 2) {
    const int high = HexDigit(body[i]), low = HexDigit(body[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes += static_cast<char>(high << 4 | low);
  }
  return separators.latin1 ? FromLatin1(bytes).value_or(std::string(1, '\0')) : bytes;
}

std::string Unescape(std::string_view raw, const Separators& separators) {
  std::string text;
  text.reserve(raw.size());
  while (!raw.empty()) {
    const auto open = raw.find(separators.escape);
    text += raw.substr(0, open);
    if (open == std::string_view::npos) break;
    raw.remove_prefix(open);
    const auto close = raw.find(separators.escape, 1);
    const auto value = close == std::string_view::npos ? std::nullopt : EscapeValue(raw.substr(1, close - 1), separators);
    if (value.has_value()) {
      text += *value;
      raw.remove_prefix(close + 1);
    } else {
      // A separator that begins nothing: senders forget to escape it.
      text += raw[0];
      raw.remove_prefix(1);
    }
  }
  return text;
}

// \C..\ and \M..\ switch to another character set in mid-text.
bool SwitchesCharacterSet(std::string_view raw, char escape) {
  for (auto at = raw.find(escape); at != std::string_view::npos; at = raw.find(escape, at + 1)) {
    const std::string_view rest = raw.substr(at + 1);
    const auto close = rest.find(escape);
    if (close == std::string_view::npos) return false;
    const std::string_view body = rest.substr(0, close);
    if ((body.size() == 5 && body[0] == 'C') || (body.size() == 7 && body[0] == 'M')) {
      if (std::all_of(body.begin() + 1, body.end(), [](char c) { return HexDigit(c) >= 0; })) return true;
    }
  }
  return false;
}

// FHIR's string (and anything that people read) has no control characters but these.
bool HasControl(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t' && c != '\n' && c != '\r') || byte == 0x7F;
  });
}

std::string_view TrimmedBlanks(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())) != 0) text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0) text.remove_suffix(1);
  return text;
}

bool IsSegmentName(std::string_view name) {
  const auto capital = [](char c) { return c >= 'A' && c <= 'Z'; };
  const auto either = [&](char c) { return capital(c) || (c >= '0' && c <= '9'); };
  return name.size() == 3 && capital(name[0]) && either(name[1]) && either(name[2]);
}

bool IsSeparator(char c) { return c > 0x20 && c < 0x7F && std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '"'; }

bool AreDistinct(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i)
    if (text.find(text[i], i + 1) != std::string_view::npos) return false;
  return true;
}

// The text as UTF-8, by MSH-18; a fault names MSH-18 whether it or the bytes are wrong.
OrFault<std::string> Decode(std::string_view bytes, const Header& header, std::string_view fallback, bool& latin1) {
  const Separators& separators = header.separators;
  const auto refuse = [](std::string text) { return FaultAt(FaultCode::kTableValue, "MSH", 1, 18, std::move(text)); };
  std::string_view chosen = fallback.empty() ? kAscii : fallback;
  const bool named = !header.character_set.empty();
  if (named) {
    for (const std::string_view each : Pieces(header.character_set, separators.repetition, 100)) {
      if (!IsCharacterSet(TrimmedBlanks(each))) {
        return refuse("The character set is not supported: send UNICODE UTF-8, 8859/1 or ASCII.");
      }
    }
    chosen = TrimmedBlanks(Piece(header.character_set, separators.repetition, 1));
  }
  latin1 = chosen == kLatin1;
  if (latin1) {
    auto text = FromLatin1(bytes);
    if (!text.has_value()) return refuse("The message holds bytes that 8859/1 does not have: name the character set it is in.");
    return *std::move(text);
  }
  if (chosen == kAscii && !IsAscii(bytes)) {
    return refuse(named ? "The message holds bytes that ASCII does not have: name the character set it is in."
                        : "The message holds bytes that ASCII does not have and names no character set: value this field.");
  }
  if (chosen == kUtf8 && !IsUtf8(bytes)) return refuse("The message is not well-formed UTF-8: name the character set it is in.");
  return std::string(bytes);
}

}  // namespace

std::string Location::Text() const {
  std::string text = segment;
  int last = 0;
  const int parts[] = {sequence, field, repetition, component, subcomponent};
  for (int i = 0; i < 5; ++i)
    if (parts[i] != 0) last = i + 1;
  for (int i = 0; i < last; ++i) absl::StrAppend(&text, "^", parts[i] == 0 ? "" : absl::StrCat(parts[i]));
  return text;
}

bool IsCharacterSet(std::string_view name) { return name == kUtf8 || name == kLatin1 || name == kAscii; }

OrFault<Header> Header::Read(std::string_view bytes) {
  if (bytes.starts_with("FHS") || bytes.starts_with("BHS")) {
    return FaultAt(FaultCode::kSegmentSequence, std::string(bytes.substr(0, 3)), 1, 0, "Batches are not taken: send each message in a frame of its own.");
  }
  if (!bytes.starts_with("MSH") || bytes.size() < 8) {
    return FaultAt(FaultCode::kSegmentSequence, "MSH", 1, 0, "A message begins with its MSH segment.");
  }
  std::string_view line = bytes.substr(0, kHeaderBytesMax);
  line = line.substr(0, line.find_first_of("\r\n"));
  Header header;
  header.separators.field = line[3];
  if (!IsSeparator(line[3])) return FaultAt(FaultCode::kDataType, "MSH", 1, 1, "MSH-1 must be a printing character that is neither letter nor digit.");
  const std::string_view encoding = Piece(line.substr(4), line[3], 1);
  const std::string all = absl::StrCat(std::string(1, line[3]), std::string(encoding));
  if (encoding.size() < 4 || encoding.size() > 5 || !std::all_of(all.begin(), all.end(), IsSeparator) || !AreDistinct(all)) {
    return FaultAt(FaultCode::kDataType, "MSH", 1, 2, "MSH-2 must be four or five different separators, such as ^~\\&.");
  }
  header.encoding_characters = encoding;
  header.separators.component = encoding[0];
  header.separators.repetition = encoding[1];
  header.separators.escape = encoding[2];
  header.separators.subcomponent = encoding[3];
  // Field n of MSH is piece n, for MSH-1 is the first separator itself.
  const std::vector<std::string_view> fields = Pieces(line, line[3], 40);
  const auto field = [&](std::size_t n) { return n <= fields.size() ? std::string(fields[n - 1]) : std::string(); };
  const auto component = [&](std::size_t n, int part) {
    const std::string text = field(n);
    return std::string(TrimmedBlanks(Piece(Piece(text, header.separators.repetition, 1), header.separators.component, part)));
  };
  header.sending_application = field(3);
  header.sending_facility = field(4);
  header.receiving_application = field(5);
  header.receiving_facility = field(6);
  header.time = component(7, 1);
  header.type = component(9, 1);
  header.event = component(9, 2);
  header.control_id = std::string(TrimmedBlanks(field(10)));
  header.processing_id = component(11, 1);
  header.version = component(12, 1);
  header.sequence = component(13, 1);
  header.accept_acknowledgement = component(15, 1);
  header.application_acknowledgement = component(16, 1);
  header.character_set = std::string(TrimmedBlanks(field(18)));
  if (header.control_id.size() > kControlIdBytesMax) {
    return FaultAt(FaultCode::kDataType, "MSH", 1, 10, absl::StrCat("A message control id has at most ", kControlIdBytesMax, " characters."));
  }
  return header;
}

Value Value::Part(int number) const {
  if (level_ == Level::kSubcomponent || separators_ == nullptr) return number == 1 ? *this : Value();
  const bool repetition = level_ == Level::kRepetition;
  const std::string_view piece = Piece(raw_, repetition ? separators_->component : separators_->subcomponent, number);
  return {piece, repetition ? Level::kComponent : Level::kSubcomponent, separators_};
}

std::string Value::Prose() const {
  if (separators_ == nullptr || is_null()) return "";
  std::string_view leaf = raw_;
  if (level_ == Level::kRepetition) leaf = leaf.substr(0, leaf.find(separators_->component));
  if (level_ != Level::kSubcomponent) leaf = leaf.substr(0, leaf.find(separators_->subcomponent));
  if (leaf.find(separators_->escape) == std::string_view::npos) return std::string(leaf);
  return Unescape(leaf, *separators_);
}

std::string Value::Text() const { return std::string(TrimmedBlanks(Prose())); }

OrFault<Message> Message::Parse(std::string_view bytes, std::string_view character_set, const Limits& limits) {
  auto read = Header::Read(bytes);
  if (auto* fault = std::get_if<Fault>(&read)) return *std::move(fault);
  Message message;
  message.state_ = std::make_shared<State>();
  State& state = *message.state_;
  state.header = std::get<Header>(std::move(read));
  const Separators& separators = state.header.separators;
  auto decoded = Decode(bytes, state.header, character_set, state.header.separators.latin1);
  if (auto* fault = std::get_if<Fault>(&decoded)) return *std::move(fault);
  state.text = std::get<std::string>(std::move(decoded));
  // A carriage return ends a segment; where there is none, what editors and scripts send instead.
  const char end = state.text.find('\r') == std::string::npos ? '\n' : '\r';
  std::string_view rest = state.text;
  std::map<std::string_view, int> sequences;
  while (!rest.empty()) {
    const auto at = rest.find(end);
    std::string_view line = rest.substr(0, at);
    rest.remove_prefix(at == std::string_view::npos ? rest.size() : at + 1);
    if (line.starts_with('\n')) line.remove_prefix(1);
    if (TrimmedBlanks(line).empty()) continue;
    if (state.segments.size() == limits.segments_max) {
      return FaultAt(FaultCode::kSegmentSequence, std::string(state.segments.back().name), state.segments.back().sequence, 0,
                     absl::StrCat("A message has at most ", limits.segments_max, " segments."));
    }
    Segment segment;
    segment.name = line.substr(0, 3);
    if (!IsSegmentName(segment.name) || (line.size() > 3 && line[3] != separators.field)) {
      return FaultAt(FaultCode::kSegmentSequence, std::string(state.segments.back().name), state.segments.back().sequence, 0,
                     "The line after this segment is no segment: each has a name of three characters, then a separator; line breaks in text are written \\X0D\\.");
    }
    segment.sequence = ++sequences[segment.name];
    if (segment.name == "MSH" && !state.segments.empty()) return FaultAt(FaultCode::kSegmentSequence, "MSH", 2, 0, "A frame holds one message.");
    segment.fields = Pieces(line, separators.field, limits.fields_max + 1);
    if (segment.fields.size() > limits.fields_max) {
      return FaultAt(FaultCode::kSegmentSequence, std::string(segment.name), segment.sequence, 0, absl::StrCat("A segment has at most ", limits.fields_max, " fields."));
    }
    if (segment.name == "MSH") segment.fields.insert(segment.fields.begin() + 1, line.substr(3, 1));
    for (std::size_t i = segment.name == "MSH" ? 3 : 1; i < segment.fields.size(); ++i) {
      const std::string_view field = segment.fields[i];
      const auto refuse = [&](std::string text) { return FaultAt(FaultCode::kDataType, std::string(segment.name), segment.sequence, static_cast<int>(i), std::move(text)); };
      if (HasControl(field)) return refuse("The field holds a control character.");
      if (field.find(separators.escape) == std::string_view::npos) continue;
      if (SwitchesCharacterSet(field, separators.escape)) return refuse("The field switches to another character set, which is not supported.");
      const std::string text = Unescape(field, separators);
      if (!IsUtf8(text) || HasControl(text)) return refuse("An escape sequence stands for no character of the message's character set.");
    }
    state.segments.push_back(std::move(segment));
  }
  return message;
}

std::vector<Value> Message::Repetitions(const Segment& segment, int field) const {
  std::vector<Value> values;
  const auto at = static_cast<std::size_t>(field);
  if (field < 0 || at >= segment.fields.size() || segment.fields[at].empty()) return values;
  for (const std::string_view each : Pieces(segment.fields[at], separators().repetition, segment.fields[at].size() + 1)) {
    values.emplace_back(each, Value::Level::kRepetition, &separators());
  }
  return values;
}

Value Message::First(const Segment& segment, int field) const {
  const auto at = static_cast<std::size_t>(field);
  if (field < 0 || at >= segment.fields.size()) return {};
  return {Piece(segment.fields[at], separators().repetition, 1), Value::Level::kRepetition, &separators()};
}

}  // namespace custodian::feeds
