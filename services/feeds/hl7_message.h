// An HL7 v2 message as read: separators of its own (MSH-1, MSH-2), text as UTF-8 whatever MSH-18 says, escapes undone on access.
// Everything that can be wrong with the encoding is found by Parse(), so that reading a value never fails. Pure; a Message is
// immutable and safe from any thread. Source: HL7 v2.5.1 chapter 2 (2.5 delimiters, 2.7 escapes, 2.15.9 MSH), v2.8 for truncation.
#ifndef CUSTODIAN_SERVICES_FEEDS_HL7_MESSAGE_H_
#define CUSTODIAN_SERVICES_FEEDS_HL7_MESSAGE_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace custodian::feeds {

// HL7 table 0357.
enum class FaultCode {
  kSegmentSequence = 100,
  kRequiredField = 101,
  kDataType = 102,
  kTableValue = 103,
  kMessageType = 200,
  kEventCode = 201,
  kProcessingId = 202,
  kVersion = 203,
  kUnknownKey = 204,
  kDuplicateKey = 205,
  kInternal = 207,
};

// Where in a message, counted from 1; 0 for what is not named. Never a value.
struct Location {
  std::string segment;
  int sequence = 0;
  int field = 0;
  int repetition = 0;
  int component = 0;
  int subcomponent = 0;
  // "PID^1^3^2^4" (ERL, v2.5 section 2.A.28), as long as it is named.
  [[nodiscard]] std::string Text() const;
};

// Why a message is not taken. `text` is a sentence that says what to do; it holds no value of the message.
struct Fault {
  FaultCode code = FaultCode::kInternal;
  Location where;
  std::string text;
};
template <typename T>
using OrFault = std::variant<T, Fault>;

struct Separators {
  char field = '|';
  char component = '^';
  char repetition = '~';
  char escape = '\\';
  char subcomponent = '&';
  // Bytes that escapes name in hexadecimal are ISO 8859-1.
  bool latin1 = false;
};

// What MSH says, as far as it can be read at all; raw text in the message's own character set. Enough to answer by.
struct Header {
  Separators separators;
  // MSH-2 as sent.
  std::string encoding_characters;
  // MSH-3 to MSH-6.
  std::string sending_application, sending_facility, receiving_application, receiving_facility;
  // MSH-7.
  std::string time;
  // MSH-9.1, MSH-9.2.
  std::string type, event;
  // MSH-10, MSH-11.1, MSH-12.1, MSH-13, MSH-15, MSH-16, MSH-18.
  std::string control_id, processing_id, version, sequence, accept_acknowledgement, application_acknowledgement, character_set;

  // MSH-15 or MSH-16 is valued (v2.5 section 2.9.3).
  [[nodiscard]] bool enhanced() const { return !accept_acknowledgement.empty() || !application_acknowledgement.empty(); }
  // Of what begins with an MSH segment, even when the rest is broken or cut off; the reason otherwise.
  [[nodiscard]] static OrFault<Header> Read(std::string_view bytes);
};

// A place in a message that may hold a value: a field's repetition, or a part of one. Splits as deep as it is asked.
class Value {
 public:
  enum class Level { kRepetition, kComponent, kSubcomponent };
  Value() = default;
  Value(std::string_view raw, Level level, const Separators* separators) : raw_(raw), level_(level), separators_(separators) {}

  // Part `number` (from 1) of the next level: a component of a repetition, a subcomponent of a component. A part of what has no
  // parts is itself when `number` is 1.
  [[nodiscard]] Value Part(int number) const;
  // The text of the first leaf, escapes undone, without blanks at its ends; empty for `""`.
  [[nodiscard]] std::string Text() const;
  // The same, keeping blanks: for text that people read.
  [[nodiscard]] std::string Prose() const;
  [[nodiscard]] bool empty() const { return raw_.empty(); }
  // `""`: the sender says that there is no value any more.
  [[nodiscard]] bool is_null() const { return raw_ == "\"\""; }

 private:
  std::string_view raw_;
  Level level_ = Level::kSubcomponent;
  const Separators* separators_ = nullptr;
};

struct Segment {
  // Three characters.
  std::string_view name;
  // Among the segments of this name, from 1.
  int sequence = 1;
  // Raw; fields[n] is field n (fields[0] is the name). MSH-1 and MSH-2 count as fields.
  std::vector<std::string_view> fields;
};

class Message {
 public:
  struct Limits {
    std::size_t segments_max = 20'000;
    // In one segment.
    std::size_t fields_max = 1'000;
  };
  // `character_set` is taken where MSH-18 names none (a name of table 0211; empty: ASCII).
  [[nodiscard]] static OrFault<Message> Parse(std::string_view bytes, std::string_view character_set, const Limits& limits);
  [[nodiscard]] static OrFault<Message> Parse(std::string_view bytes, std::string_view character_set = "") {
    return Parse(bytes, character_set, Limits());
  }

  [[nodiscard]] const Header& header() const { return state_->header; }
  [[nodiscard]] const Separators& separators() const { return state_->header.separators; }
  [[nodiscard]] const std::vector<Segment>& segments() const { return state_->segments; }
  // Repetitions of a field; empty when it is not valued.
  [[nodiscard]] std::vector<Value> Repetitions(const Segment& segment, int field) const;
  // The first repetition; empty() when there is none.
  [[nodiscard]] Value First(const Segment& segment, int field) const;

 private:
  // In one place in memory, for the segments point into the text.
  struct State {
    std::string text;
    Header header;
    std::vector<Segment> segments;
  };
  std::shared_ptr<State> state_;
};

// "UNICODE UTF-8", "8859/1", "ASCII" of table 0211.
[[nodiscard]] bool IsCharacterSet(std::string_view name);

}  // namespace custodian::feeds

#endif  // CUSTODIAN_SERVICES_FEEDS_HL7_MESSAGE_H_
