// FHIR files as transactions that a FHIR server takes: Bundles as they are, NDJSON and single resources in parts. Reads files, nothing
// else. Used by `custodian import`.
#ifndef CUSTODIAN_SERVICES_MAIN_IMPORT_FILES_H_
#define CUSTODIAN_SERVICES_MAIN_IMPORT_FILES_H_

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "services/exchange/fhir_json.h"

namespace custodian::main {

// A resource of a file and where it stands (line of an NDJSON file, else position from 1).
struct ImportRow {
  std::size_t place = 0;
  exchange::Json entry;
};

struct ImportFile {
  std::string path;
  // A transaction Bundle that is sent as it is; else empty and `rows` are sent in parts.
  std::string transaction;
  std::size_t transaction_entries = 0;
  std::vector<ImportRow> rows;
  // Lines that are no FHIR resource: place and reason.
  std::vector<std::pair<std::size_t, std::string>> bad_rows;
};

// *.json and *.ndjson below `paths` (files are taken whatever their name), in an order in which what others refer to comes first:
// hospitals and practitioners, then patients, then the rest by name. NotFound naming a path that does not exist.
[[nodiscard]] absl::StatusOr<std::vector<std::string>> FilesToImport(const std::vector<std::string>& paths);
// InvalidArgument when the file holds no FHIR.
[[nodiscard]] absl::StatusOr<ImportFile> ReadImportFile(const std::string& path);
// A transaction Bundle of these rows.
[[nodiscard]] std::string TransactionOf(const std::vector<const ImportRow*>& rows);

}  // namespace custodian::main

#endif  // CUSTODIAN_SERVICES_MAIN_IMPORT_FILES_H_
