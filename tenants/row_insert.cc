#include "tenants/row_insert.h"

#include <string>
#include <string_view>

#include "fmt/format.h"
#include "ledger/entry.h"

namespace custodian::tenants {
namespace {

// Types without an array encoding of their own travel as text and are cast by the server.
BinaryArray::Element ElementOf(std::string_view type) {
  if (type == "bytea") return BinaryArray::Element::kBytea;
  if (type == "bigint") return BinaryArray::Element::kBigint;
  if (type == "boolean") return BinaryArray::Element::kBoolean;
  return BinaryArray::Element::kText;
}

bool Fits(const Value& value, BinaryArray::Element element) {
  if (std::holds_alternative<std::monostate>(value)) return true;
  switch (element) {
    case BinaryArray::Element::kBytea:
      return std::holds_alternative<Bytes>(value);
    case BinaryArray::Element::kBigint:
      return std::holds_alternative<std::int64_t>(value) || std::holds_alternative<IndexOf>(value) ||
             std::holds_alternative<CommitTime>(value);
    case BinaryArray::Element::kBoolean:
      return std::holds_alternative<bool>(value);
    case BinaryArray::Element::kText:
      return std::holds_alternative<std::string>(value);
  }
  return false;
}

void Append(const Value& value, std::uint64_t first_index, std::int64_t time_ms, BinaryArray& column) {
  if (const auto* text = std::get_if<std::string>(&value)) {
    column.Add(*text);
  } else if (const auto* bytes = std::get_if<Bytes>(&value)) {
    column.Add(bytes->bytes);
  } else if (const auto* number = std::get_if<std::int64_t>(&value)) {
    column.AddBigint(*number);
  } else if (const auto* flag = std::get_if<bool>(&value)) {
    column.AddBoolean(*flag);
  } else if (const auto* index = std::get_if<IndexOf>(&value)) {
    column.AddBigint(static_cast<std::int64_t>(first_index + index->entry));
  } else if (std::holds_alternative<CommitTime>(value)) {
    column.AddBigint(time_ms);
  } else {
    column.AddNull();
  }
}

}  // namespace

absl::Status CheckRow(const Row& row, std::size_t entries) {
  if (row.table == nullptr) return absl::InvalidArgumentError("a row names no table");
  const Table& table = *row.table;
  if (row.values.size() != table.columns.size()) {
    return absl::InvalidArgumentError(fmt::format("a row of {} has {} values for {} columns", table.name, row.values.size(), table.columns.size()));
  }
  for (std::size_t i = 0; i < row.values.size(); ++i) {
    if (!Fits(row.values[i], ElementOf(table.columns[i].type))) {
      return absl::InvalidArgumentError(fmt::format("a value of {}.{} is not of type {}", table.name, table.columns[i].name, table.columns[i].type));
    }
    const bool has_text = !std::holds_alternative<std::monostate>(row.values[i]) && !std::holds_alternative<bool>(row.values[i]);
    if (table.proved && !has_text)
      return absl::InvalidArgumentError(fmt::format("{}.{} has a value that its proof cannot hold", table.name, table.columns[i].name));
    const auto* index = std::get_if<IndexOf>(&row.values[i]);
    if (index != nullptr && index->entry >= entries) {
      return absl::InvalidArgumentError(fmt::format("{}.{} stands for entry {} of {}", table.name, table.columns[i].name, index->entry, entries));
    }
  }
  if (table.proved && row.entry >= entries) {
    return absl::InvalidArgumentError(fmt::format("a row of {} is proved by entry {} of {}", table.name, row.entry, entries));
  }
  return absl::OkStatus();
}

ledger::Hash DigestOf(const Row& row) {
  std::vector<std::string> texts;
  for (const Value& value : row.values) {
    if (const auto* text = std::get_if<std::string>(&value)) texts.push_back(*text);
    if (const auto* bytes = std::get_if<Bytes>(&value)) texts.push_back(bytes->bytes);
    if (const auto* number = std::get_if<std::int64_t>(&value)) texts.push_back(std::to_string(*number));
  }
  return ledger::RowSha256(row.table->name, texts);
}

void RowInsert::Add(const std::vector<Row>& rows, std::uint64_t first_index, std::int64_t time_ms) {
  for (const Row& row : rows) {
    std::vector<BinaryArray>& columns = targets_[{row.table->name, row.table}];
    if (columns.empty())
      for (const Table::Column& column : row.table->columns) columns.emplace_back(ElementOf(column.type));
    for (std::size_t i = 0; i < row.values.size(); ++i) Append(row.values[i], first_index, time_ms, columns[i]);
  }
}

void RowInsert::AddTo(CommitStatement& statement) const {
  for (const auto& [target, arrays] : targets_) {
    const Table& table = *target.second;
    std::string names, parameters, selected, aliases;
    for (std::size_t i = 0; i < arrays.size(); ++i) {
      const Table::Column& column = table.columns[i];
      const char* comma = i == 0 ? "" : ", ";
      names += fmt::format("{}{}", comma, column.name);
      parameters += fmt::format("{}{}", comma, statement.Array(arrays[i]));
      aliases += fmt::format("{}v{}", comma, i + 1);
      selected += fmt::format("{}v{}::{}", comma, i + 1, column.type);
    }
    // Names come from constants of the stores, never from input.
    statement.Insert(fmt::format("INSERT INTO {} ({}) SELECT {} FROM head, unnest({}) AS u({}){}", table.name, names, selected, parameters, aliases,
                                 table.ignore_conflicts ? " ON CONFLICT DO NOTHING" : ""));
  }
}

}  // namespace custodian::tenants
