#include "apps/venue_state.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "apps/text.h"
#include "engine/base/clock.h"

namespace holdfast::sim {
namespace {

using nlohmann::json;

SimBalance BalanceOf(const json& row) {
  const std::string asset = row.at("asset").get<std::string>();
  const absl::StatusOr<Decimal> amount = Decimal::Parse(row.at("amount").get<std::string>());
  if (!amount.ok() || asset.empty() || !AssetCode::Fits(asset)) {
    throw std::invalid_argument(row.dump());
  }
  return {.asset = AssetCode(asset), .free = *amount, .locked = {}};
}

}  // namespace

absl::StatusOr<VenueState> LoadVenueState(const std::string& path) {
  VenueState state;
  std::ifstream file(path);
  if (!file) return state;
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  try {
    const json document = json::parse(text);
    for (const json& account : document.at("accounts")) {
      VenueState::Account& entry = state.accounts.emplace_back();
      entry.name = account.at("name").get<std::string>();
      for (const json& row : account.at("balances")) entry.balances.push_back(BalanceOf(row));
    }
  } catch (const std::exception& error) {
    return absl::InvalidArgumentError(
        Concat("venue state: file=", path, " problem=", error.what()));
  }
  return state;
}

void ApplyVenueState(const VenueState& state, SimAccountConfig& account) {
  for (const VenueState::Account& entry : state.accounts) {
    if (entry.name == account.name) account.balances = entry.balances;
  }
}

int64_t FirstId(int64_t wall_time_ns) { return wall_time_ns / kNanosPerMicro; }

VenueStateFile::VenueStateFile(std::string path, const SimVenue& venue,
                               std::vector<std::string> accounts)
    : path_(std::move(path)), venue_(venue), accounts_(std::move(accounts)) {}

absl::Status VenueStateFile::Save() {
  json document;
  document["accounts"] = json::array();
  for (const std::string& name : accounts_) {
    const auto account = venue_.FindAccount(name);
    if (!account.has_value()) continue;
    json balances = json::array();
    for (const SimBalance& balance : venue_.Balances(*account)) {
      balances.push_back({{"asset", std::string(balance.asset.view())},
                          {"amount", (balance.free + balance.locked).ToText()}});
    }
    document["accounts"].push_back({{"name", name}, {"balances", std::move(balances)}});
  }
  std::string text = document.dump(1);
  if (text == saved_) return absl::OkStatus();
  const std::string temporary = path_ + ".new";
  std::ofstream file(temporary);
  file << text << '\n';
  file.close();
  if (!file || std::rename(temporary.c_str(), path_.c_str()) != 0) {
    return absl::UnavailableError(
        Concat("venue state: cannot write: file=", path_, " reason=", std::strerror(errno)));
  }
  saved_ = std::move(text);
  return absl::OkStatus();
}

}  // namespace holdfast::sim
