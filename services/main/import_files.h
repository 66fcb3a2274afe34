// FHIR files as transactions that a FHIR server takes: Bundles as they are, NDJSON and single resources in parts. Reads files, nothing
// else. Used by `custodian import`.
#ifndef CUSTODIAN_SERVICES_MAIN_IMPORT_FILES_H_
#define CUSTODIAN_SERVICES_MAIN_IMPORT_FILES_H_

#include <cstddef>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace custodian::main {

// An entry of a transaction that stores one resource of a file, and where it stands (line of an NDJSON file, else position from 1).
struct ImportRow {
  std::size_t place = 0;
  // JSON.
  std::string entry;
  // Type/id that it is stored under; empty when the server gives it an id.
  std::string target;
};

struct ImportFile {
  std::string path;
  // A transaction Bundle that is sent as it is; else empty and `rows` are sent in parts.
  std::string transaction;
  std::size_t transaction_entries = 0;
  // What the Bundle updates or deletes, Type/id.
  std::set<std::string> transaction_targets;
  std::vector<ImportRow> rows;
  // Lines that are no FHIR resource: place and reason.
  std::vector<std::pair<std::size_t, std::string>> bad_rows;
};

// *.json and *.ndjson below `paths` (files are taken whatever their name), in groups, each of which refers to the ones before it:
// hospitals and practitioners, then patients, then the rest; by name within a group. NotFound naming a path that does not exist.
[[nodiscard]] absl::StatusOr<std::vector<std::vector<std::string>>> FilesToImport(const std::vector<std::string>& paths);
// InvalidArgument when the file holds no FHIR.
[[nodiscard]] absl::StatusOr<ImportFile> ReadImportFile(const std::string& path);
// A transaction Bundle of these rows.
[[nodiscard]] std::string TransactionOf(const std::vector<ImportRow>& rows);

}  // namespace custodian::main

#endif  // CUSTODIAN_SERVICES_MAIN_IMPORT_FILES_H_
