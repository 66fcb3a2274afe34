// Names, streets and numbers as they are compared: folded, coded by sound, and with one character left out, so that a typing error
// still meets. Pure; any Unicode text is taken.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_NAME_TEXT_H_
#define CUSTODIAN_SERVICES_EXCHANGE_NAME_TEXT_H_

#include <string>
#include <string_view>
#include <vector>

namespace custodian::exchange {

// Words in lower case without accents (Unicode NFKD, marks removed, Latin letters as ASCII; other scripts stay as they are).
// Apostrophes and full stops join, everything else that is no letter or digit separates.
[[nodiscard]] std::vector<std::string> FoldedWords(std::string_view text);
// The same, joined: "O'Brien-López" is "obrienlopez".
[[nodiscard]] std::string NormalizeName(std::string_view text);
// Digits of a North American number without its country code, or all digits of another; empty below seven or when all are equal.
[[nodiscard]] std::string NormalizePhone(std::string_view text);
// Words in lower case with the postal service's abbreviations (USPS Publication 28), joined by single spaces.
[[nodiscard]] std::string NormalizeStreet(std::string_view text);
// One of those abbreviations: says what kind of street or which end of it, not which street.
[[nodiscard]] bool IsStreetWord(std::string_view normalized_word);

// NYSIIS code (Taft 1970) of a folded name of ASCII letters; any other text is its own code.
[[nodiscard]] std::string SoundOf(std::string_view folded);
// The text itself and the text without each one of its characters: two texts have one in common when they differ by one
// character inserted, left out, replaced, or exchanged with its neighbour. Just the text when it is shorter than `length_min`.
[[nodiscard]] std::vector<std::string> OneLeftOut(std::string_view folded, std::size_t length_min);
// Letters for digits that stand in a word for letters of their shape ("j0hn5on"): no name but a generation ("2nd") has any.
[[nodiscard]] std::string LettersOf(std::string_view folded_word);
// A folded name as a scanner sees it: letters and pairs of letters that are mistaken for each other in print are one. Text of other scripts stays as it is.
[[nodiscard]] std::string ShapeOf(std::string_view folded);
// Of a number whose neighbours in the series are other persons' (a twin's): the number itself, without each digit but the last, with
// the last two digits in either order, and of eight digits or more the last four alone.
[[nodiscard]] std::vector<std::string> NumberVariants(std::string_view folded);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_NAME_TEXT_H_
