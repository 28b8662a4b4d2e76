// Proves that configuration is merged in the stated precedence, that every mistake ends in exactly
// one line that names it, and that no secret is ever part of any output. Every case writes a small
// file into a folder of its own and loads it with an environment and flags handed in.

#include "apps/config.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include "apps/config_toml.h"

namespace holdfast {
namespace {

constexpr char kSecretValue[] = "s3cr3t-value-of-the-signing-key";

constexpr char kGood[] = R"([inventory]
max_position = "0.05"
[grid]
price_interval = "10"
order_quantity = "0.001"
)";

// A folder that goes away, with one configuration file in it.
class Fixture {
 public:
  Fixture() {
    std::string pattern = (std::filesystem::temp_directory_path() / "hf_config_XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    folder_ = pattern;
    sources_.environment = {{"HOLDFAST_VENUE_API_KEY", "the-api-key"},
                            {"HOLDFAST_VENUE_SECRET_KEY", kSecretValue}};
  }
  ~Fixture() { std::filesystem::remove_all(folder_); }

  std::string Write(const std::string& name, const std::string& text, mode_t mode = 0600) {
    const std::string path = (folder_ / name).string();
    std::ofstream(path) << text;
    REQUIRE(chmod(path.c_str(), mode) == 0);
    return path;
  }
  absl::StatusOr<Configuration> Load(const std::string& text) {
    sources_.file = Write("holdfast.toml", text);
    return LoadConfiguration(sources_);
  }
  // The one line of a configuration that must be refused, with the folder's name taken out.
  std::string Refusal(const std::string& text) {
    const absl::StatusOr<Configuration> result = Load(text);
    if (result.ok()) return "accepted";
    REQUIRE(absl::IsInvalidArgument(result.status()));
    std::string line(result.status().message());
    for (size_t at = line.find(folder_.string()); at != std::string::npos;
         at = line.find(folder_.string())) {
      line.erase(at, folder_.string().size() + 1);
    }
    CHECK(line.find('\n') == std::string::npos);
    CHECK(line.find(kSecretValue) == std::string::npos);
    return line;
  }
  ConfigSources& sources() { return sources_; }
  std::string Path(const std::string& name) const { return (folder_ / name).string(); }

 private:
  std::filesystem::path folder_;
  ConfigSources sources_;
};

const ConfigEntry& Entry(const Configuration& configuration, std::string_view name) {
  const auto found =
      std::find_if(configuration.entries.begin(), configuration.entries.end(),
                   [&](const ConfigEntry& entry) { return entry.key->name == name; });
  REQUIRE(found != configuration.entries.end());
  return *found;
}

TEST_CASE("config: five lines and two secrets are a complete configuration", "[apps][config]") {
  Fixture fixture;
  const auto configuration = fixture.Load(kGood);
  REQUIRE(configuration.ok());
  const Settings& settings = configuration->settings;
  CHECK(settings.inventory_max_position == *Decimal::Parse("0.05"));
  CHECK(settings.grid_price_interval == *Decimal::Parse("10"));
  CHECK(settings.quoting_symbol == "BTCUSDT");
  CHECK(settings.grid_buy_window == 10);
  CHECK_FALSE(settings.grid_anchor.has_value());
  CHECK(settings.venue_secret_key.Reveal() == kSecretValue);
  CHECK(configuration->warnings.empty());
}

TEST_CASE("config: flags beat the environment, which beats the file, which beats the default",
          "[apps][config]") {
  Fixture fixture;
  const std::string text =
      std::string(kGood) + "buy_window = 11\nsell_window = 12\nmode = \"long\"\n";
  fixture.sources().environment.emplace_back("HOLDFAST_GRID_SELL_WINDOW", "22");
  fixture.sources().environment.emplace_back("HOLDFAST_GRID_MODE", "short");
  fixture.sources().flags = {{"grid.mode", "neutral"}};
  const auto configuration = fixture.Load(text);
  REQUIRE(configuration.ok());
  CHECK(configuration->settings.grid_buy_window == 11);
  CHECK(configuration->settings.grid_sell_window == 22);
  CHECK(configuration->settings.grid_mode == "neutral");
  CHECK(Entry(*configuration, "grid.buy_window").origin == fixture.Path("holdfast.toml") + ":6");
  CHECK(Entry(*configuration, "grid.sell_window").origin == "HOLDFAST_GRID_SELL_WINDOW");
  CHECK(Entry(*configuration, "grid.mode").origin == "--grid-mode");
  CHECK(Entry(*configuration, "log.level").origin == "default");
}

TEST_CASE("config: G10 names are accepted as aliases", "[apps][config][G10]") {
  Fixture fixture;
  const auto configuration = fixture.Load(R"([inventory]
max_position = "0.05"
[grid]
GridSize = "12.5"
OrderQuantity = "0.001"
BuyWindowSize = 7
SellWindowSize = 8
VolatilityScale = 1.5
SkewFactor = 0.25
)");
  REQUIRE(configuration.ok());
  const Settings& settings = configuration->settings;
  CHECK(settings.grid_price_interval == *Decimal::Parse("12.5"));
  CHECK(settings.grid_order_quantity == *Decimal::Parse("0.001"));
  CHECK(settings.grid_buy_window == 7);
  CHECK(settings.grid_sell_window == 8);
  CHECK(settings.grid_volatility_scale == *Decimal::Parse("1.5"));
  CHECK(settings.grid_skew_factor == *Decimal::Parse("0.25"));

  CHECK(
      fixture.Refusal("[inventory]\nmax_position = \"1\"\n[grid]\nPriceInterval = \"10\"\n"
                      "GridSize = \"11\"\norder_quantity = \"0.001\"\n") ==
      "config: file=holdfast.toml line=5 key=grid.GridSize value=11 expected=the key once (line 4 "
      "has it as grid.PriceInterval)");
}

TEST_CASE("config: the layered quoter's environment names are accepted", "[apps][config][L5]") {
  Fixture fixture;
  auto& environment = fixture.sources().environment;
  environment.emplace_back("NUM_LEVELS", "4");
  environment.emplace_back("SPREAD_PERCENT", "0.2");
  environment.emplace_back("PRICE_STEP_PERCENT", "0.07");
  environment.emplace_back("ORDER_SIZE", "0.02");
  environment.emplace_back("MARKET_SYMBOL", "ETHUSDT");
  environment.emplace_back("HOLDFAST_LAYERED_LEVELS", "9");
  const auto configuration =
      fixture.Load("[inventory]\nmax_position = \"1\"\n[quoting]\nstrategy = \"layered\"\n");
  REQUIRE(configuration.ok());
  const Settings& settings = configuration->settings;
  CHECK(settings.layered_levels == 9);
  CHECK(settings.layered_base_spread_percent == *Decimal::Parse("0.2"));
  CHECK(settings.layered_price_step_percent == *Decimal::Parse("0.07"));
  CHECK(settings.layered_order_size == *Decimal::Parse("0.02"));
  CHECK(settings.quoting_symbol == "ETHUSDT");

  environment.emplace_back("BASE_SPREAD_PERCENT", "wide");
  CHECK(fixture.Refusal("[inventory]\nmax_position = \"1\"\n[quoting]\nstrategy = \"layered\"\n") ==
        "config: file=environment line=- key=BASE_SPREAD_PERCENT value=wide expected=number "
        "0.00000001..99.99999999");
}

TEST_CASE("config: every mistake in the file is one line with file, line, key, value, expected",
          "[apps][config][G10]") {
  struct Case {
    std::string added;  // appended to a good file, in [grid], from line 6 on
    std::string refusal;
  };
  const Case cases[] = {
      {"colour = \"red\"\n",
       "config: file=holdfast.toml line=6 key=grid.colour value=red expected=a known key (see "
       "docs/configuration.md)"},
      {"[wheels]\ncount = 4\n",
       "config: file=holdfast.toml line=7 key=wheels.count value=4 expected=a known key (see "
       "docs/configuration.md)"},
      {"[wheels]\n",
       "config: file=holdfast.toml line=6 key=wheels. value=table expected=a known key (see "
       "docs/configuration.md)"},
      {"[grid.deeper]\nkey = 1\n",
       "config: file=holdfast.toml line=7 key=grid.deeper.key value=(hidden) expected=a known key "
       "(see docs/configuration.md)"},
      {"buy_window = \"five\"\n",
       "config: file=holdfast.toml line=6 key=grid.buy_window value=five expected=integer 1..200"},
      {"buy_window = 5.0\n",
       "config: file=holdfast.toml line=6 key=grid.buy_window value=5 expected=integer 1..200"},
      {"buy_window = 0\n",
       "config: file=holdfast.toml line=6 key=grid.buy_window value=0 expected=integer 1..200"},
      {"buy_window = 201\n",
       "config: file=holdfast.toml line=6 key=grid.buy_window value=201 expected=integer 1..200"},
      {"\n# words\nSellWindowSize = -1\n",
       "config: file=holdfast.toml line=8 key=grid.SellWindowSize value=-1 expected=integer "
       "1..200"},
      {"volatility_scale = 100.5\n",
       "config: file=holdfast.toml line=6 key=grid.volatility_scale value=100.5 expected=number "
       "0..100"},
      {"volatility_scale = nan\n",
       "config: file=holdfast.toml line=6 key=grid.volatility_scale value=nan expected=number "
       "0..100"},
      {"SkewFactor = 1.01\n",
       "config: file=holdfast.toml line=6 key=grid.SkewFactor value=1.01 expected=number 0..1"},
      {"anchor = 60000\n",
       "config: file=holdfast.toml line=6 key=grid.anchor value=60000 expected=decimal text "
       "0..90000000000 in quotes"},
      {"anchor = \"-1\"\n",
       "config: file=holdfast.toml line=6 key=grid.anchor value=-1 expected=decimal text "
       "0..90000000000"},
      {"anchor = \"0.000000001\"\n",
       "config: file=holdfast.toml line=6 key=grid.anchor value=0.000000001 expected=decimal text "
       "0..90000000000"},
      {"anchor = \"6e4\"\n",
       "config: file=holdfast.toml line=6 key=grid.anchor value=6e4 expected=decimal text "
       "0..90000000000"},
      {"mode = \"sideways\"\n",
       "config: file=holdfast.toml line=6 key=grid.mode value=sideways "
       "expected=long|short|neutral"},
      {"mode = [\"long\"]\n",
       "config: file=holdfast.toml line=6 key=grid.mode value=array expected=long|short|neutral"},
      {"mode = 2024-08-08\n",
       "config: file=holdfast.toml line=6 key=grid.mode value=date expected=long|short|neutral"},
      {"mode = \"two\\nlines\"\n",
       "config: file=holdfast.toml line=6 key=grid.mode value=\"two?lines\" "
       "expected=long|short|neutral"},
      {"[quoting]\ncancel_foreign_orders = 1\n",
       "config: file=holdfast.toml line=7 key=quoting.cancel_foreign_orders value=1 "
       "expected=true|false"},
      {"[quoting]\nsymbol = \"\"\n",
       "config: file=holdfast.toml line=7 key=quoting.symbol value=\"\" expected=text of 1..24 "
       "characters"},
      {"[quoting]\nsymbol = \"BTC USDT\"\n",
       "config: file=holdfast.toml line=7 key=quoting.symbol value=\"BTC USDT\" expected=text of "
       "1..24 characters"},
      {"[venue]\nrest_url = \"ftp://example.org\"\n",
       "config: file=holdfast.toml line=7 key=venue.rest_url value=ftp://example.org "
       "expected=https|http://host[:port][/path], without TLS only on loopback"},
      {"[venue]\nrest_url = \"https://me:word@example.org\"\n",
       "config: file=holdfast.toml line=7 key=venue.rest_url value=https://me:word@example.org "
       "expected=https|http://host[:port][/path], without TLS only on loopback"},
      {"[venue]\nstream_url = \"ws://example.org:9443\"\n",
       "config: file=holdfast.toml line=7 key=venue.stream_url value=ws://example.org:9443 "
       "expected=wss|ws://host[:port][/path], without TLS only on loopback"},
      {"[inventory]\n",
       "config: file=holdfast.toml line=6 key=- value=- expected=valid TOML (\"Error while parsing "
       "table header: cannot redefine existing table 'inventory'\")"},
      {"price_interval = \"11\"\n",
       "config: file=holdfast.toml line=6 key=- value=- expected=valid TOML (\"Error while parsing "
       "key-value pair: cannot redefine existing string 'price_interval'\")"},
      {"mode = \n",
       "config: file=holdfast.toml line=6 key=- value=- expected=valid TOML (\"Error while parsing "
       "key-value pair: expected value, saw '\\\\n'\")"},
      // What does not fit together.
      {"[service]\naccount = \"a\"\n[risk]\natr_clear_ratio = 4\n",
       "config: file=holdfast.toml line=9 key=risk.atr_clear_ratio value=4 expected=at most "
       "risk.atr_trigger_ratio"},
      {"[risk]\ndrop_clear_percent = 3.5\n",
       "config: file=holdfast.toml line=7 key=risk.drop_clear_percent value=3.5 expected=at most "
       "risk.drop_trigger_percent"},
      {"[volatility]\nbaseline_bars = 13\n",
       "config: file=holdfast.toml line=7 key=volatility.baseline_bars value=13 expected=at least "
       "volatility.period"},
  };
  Fixture fixture;
  for (const Case& c : cases) {
    INFO(c.added);
    CHECK(fixture.Refusal(std::string(kGood) + c.added) == c.refusal);
  }
}

TEST_CASE("config: limits of inventory are checked against each other", "[apps][config]") {
  Fixture fixture;
  CHECK(
      fixture.Refusal("[inventory]\nmax_position = \"0.05\"\ntarget_position = \"-0.06\"\n[grid]\n"
                      "price_interval = \"10\"\norder_quantity = \"0.001\"\n") ==
      "config: file=holdfast.toml line=3 key=inventory.target_position value=-0.06 "
      "expected=within inventory.max_position 0.05");
  CHECK(fixture.Refusal("[inventory]\nmax_position = \"0.05\"\n[grid]\nprice_interval = \"10\"\n"
                        "order_quantity = \"0.051\"\n") ==
        "config: file=holdfast.toml line=5 key=grid.order_quantity value=0.051 expected=at most "
        "inventory.max_position 0.05");
}

TEST_CASE("config: a missing key is named with what it expects", "[apps][config]") {
  Fixture fixture;
  CHECK(fixture.Refusal("") ==
        "config: file=holdfast.toml line=- key=inventory.max_position value=unset "
        "expected=decimal text 0.00000001..90000000000");
  CHECK(fixture.Refusal("[inventory]\nmax_position = \"1\"\n") ==
        "config: file=holdfast.toml line=- key=grid.price_interval value=unset "
        "expected=decimal text 0.00000001..90000000000");
  CHECK(fixture.Refusal("[inventory]\nmax_position = \"1\"\n[quoting]\nstrategy = \"layered\"\n") ==
        "config: file=holdfast.toml line=- key=layered.order_size value=unset "
        "expected=decimal text 0.00000001..90000000000");
}

TEST_CASE("config: mistakes in environment and flags name the variable and the flag",
          "[apps][config]") {
  Fixture fixture;
  fixture.sources().flags = {{"grid.buy_window", "many"}};
  CHECK(fixture.Refusal(kGood) ==
        "config: file=flags line=- key=--grid-buy-window value=many expected=integer 1..200");
  fixture.sources().environment.emplace_back("HOLDFAST_LOG_LEVEL", "loud");
  CHECK(fixture.Refusal(kGood) ==
        "config: file=environment line=- key=HOLDFAST_LOG_LEVEL value=loud "
        "expected=debug|info|warning|error");
  fixture.sources().environment.back() = {"HOLDFAST_LOG_LEVL", "info"};
  CHECK(
      fixture.Refusal(kGood) ==
      "config: file=environment line=- key=HOLDFAST_LOG_LEVL value=info expected=a known variable "
      "(see docs/configuration.md)");
}

TEST_CASE("config: an unreadable file is told with the system's reason", "[apps][config]") {
  Fixture fixture;
  fixture.sources().file = fixture.Path("absent.toml");
  auto result = LoadConfiguration(fixture.sources());
  CHECK(std::string(result.status().message()) ==
        "config: file=" + fixture.Path("absent.toml") +
            " line=- key=- value=- expected=a readable configuration file (No such file or "
            "directory)");
  fixture.sources().file = fixture.Path("");
  result = LoadConfiguration(fixture.sources());
  CHECK(std::string(result.status().message()).find("(not a regular file)") != std::string::npos);
}

TEST_CASE("config: without a file, environment and flags are enough", "[apps][config]") {
  Fixture fixture;
  fixture.sources().default_file = fixture.Path("absent.toml");
  fixture.sources().flags = {{"inventory.max_position", "1"},
                             {"grid.price_interval", "10"},
                             {"grid.order_quantity", "0.001"}};
  CHECK(LoadConfiguration(fixture.sources()).ok());
}

TEST_CASE("config: secrets come from the environment or a private file, and from nowhere else",
          "[apps][config][secrets]") {
  Fixture fixture;
  const std::string good = kGood;
  SECTION("missing api key") {
    fixture.sources().environment = {{"HOLDFAST_VENUE_SECRET_KEY", kSecretValue}};
    CHECK(fixture.Refusal(good) ==
          "config: file=holdfast.toml line=- key=venue.api_key value=unset expected=environment "
          "variable HOLDFAST_VENUE_API_KEY or venue.api_key_file");
  }
  SECTION("missing secret") {
    fixture.sources().environment = {{"HOLDFAST_VENUE_API_KEY", "the-api-key"}};
    CHECK(fixture.Refusal(good) ==
          "config: file=holdfast.toml line=- key=venue.secret_key value=unset expected=environment "
          "variable HOLDFAST_VENUE_SECRET_KEY or venue.secret_key_file or venue.ed25519_key_file");
  }
  SECTION("empty secret") {
    fixture.sources().environment.back().second = "";
    CHECK(fixture.Refusal(good) ==
          "config: file=environment line=- key=HOLDFAST_VENUE_SECRET_KEY value=(hidden) "
          "expected=environment variable HOLDFAST_VENUE_SECRET_KEY or venue.secret_key_file");
  }
  SECTION("secret in the TOML file") {
    CHECK(fixture.Refusal(good + "[venue]\nsecret_key = \"" + kSecretValue + "\"\n") ==
          "config: file=holdfast.toml line=7 key=venue.secret_key value=(hidden) "
          "expected=environment variable HOLDFAST_VENUE_SECRET_KEY or venue.secret_key_file");
  }
  SECTION("secret under a misspelled key") {
    CHECK(fixture.Refusal(good + "[venue]\nsecretkey = \"" + kSecretValue + "\"\n") ==
          "config: file=holdfast.toml line=7 key=venue.secretkey value=(hidden) expected=a known "
          "key (see docs/configuration.md)");
    fixture.sources().environment.emplace_back("HOLDFAST_VENUE_SECRETKEY", kSecretValue);
    CHECK(fixture.Refusal(good) ==
          "config: file=environment line=- key=HOLDFAST_VENUE_SECRETKEY value=(hidden) expected=a "
          "known variable (see docs/configuration.md)");
  }
  SECTION("secret of two lines") {
    fixture.sources().environment.back().second = std::string(kSecretValue) + "\nmore";
    CHECK(fixture.Refusal(good) ==
          "config: file=environment line=- key=HOLDFAST_VENUE_SECRET_KEY value=(hidden) "
          "expected=one line of printable characters without blanks");
  }
  SECTION("secret by file") {
    fixture.sources().environment.clear();
    const std::string text = good + "[venue]\napi_key_file = \"" + fixture.Write("key", "k1\n") +
                             "\"\nsecret_key_file = \"" +
                             fixture.Write("secret", std::string(kSecretValue) + "\n") + "\"\n";
    const auto configuration = fixture.Load(text);
    REQUIRE(configuration.ok());
    CHECK(configuration->settings.venue_api_key.Reveal() == "k1");
    CHECK(configuration->settings.venue_secret_key.Reveal() == kSecretValue);
    CHECK(PrintConfiguration(*configuration).find(kSecretValue) == std::string::npos);
  }
  SECTION("secret file readable by everyone is refused, by the group is warned of") {
    fixture.sources().environment.pop_back();
    const std::string path = fixture.Write("secret", kSecretValue, 0644);
    const std::string text = good + "[venue]\nsecret_key_file = \"" + path + "\"\n";
    CHECK(
        fixture.Refusal(text) ==
        "config: file=holdfast.toml line=7 key=venue.secret_key_file value=secret expected=a file "
        "that only its owner may read (chmod 600)");
    fixture.Write("secret", kSecretValue, 0640);
    const auto configuration = fixture.Load(text);
    REQUIRE(configuration.ok());
    REQUIRE(configuration->warnings.size() == 1);
    CHECK(configuration->warnings[0] ==
          "secret file is open to its group: key=venue.secret_key_file file=" + path);
  }
  SECTION("secret file that is absent or empty") {
    fixture.sources().environment.pop_back();
    const std::string text =
        good + "[venue]\nsecret_key_file = \"" + fixture.Path("secret") + "\"\n";
    CHECK(fixture.Refusal(text) ==
          "config: file=holdfast.toml line=7 key=venue.secret_key_file value=secret expected=a "
          "readable file with the secret (No such file or directory)");
    fixture.Write("secret", "\n");
    CHECK(
        fixture.Refusal(text) ==
        "config: file=holdfast.toml line=7 key=venue.secret_key_file value=secret expected=a file "
        "that is not empty");
  }
  SECTION("two ways to sign") {
    const std::string text = good + "[venue]\ned25519_key_file = \"" +
                             fixture.Write("key.pem", "-----BEGIN PRIVATE KEY-----\n") + "\"\n";
    CHECK(fixture.Refusal(text) ==
          "config: file=holdfast.toml line=7 key=venue.ed25519_key_file value=key.pem expected=one "
          "of venue.secret_key, venue.secret_key_file and venue.ed25519_key_file");
  }
  SECTION("printing shows only whether a secret is set") {
    const auto configuration = fixture.Load(good);
    REQUIRE(configuration.ok());
    const std::string printed = PrintConfiguration(*configuration);
    CHECK(printed.find("# secret_key is set  # HOLDFAST_VENUE_SECRET_KEY") != std::string::npos);
    CHECK(printed.find(kSecretValue) == std::string::npos);
    CHECK(printed.find("the-api-key") == std::string::npos);
  }
}

TEST_CASE("config: what is printed reads back as the same configuration", "[apps][config]") {
  Fixture fixture;
  const auto first = fixture.Load(std::string(kGood) + "anchor = \"61000.5\"\nskew_factor = 0.3\n");
  REQUIRE(first.ok());
  const auto second = fixture.Load(PrintConfiguration(*first));
  REQUIRE(second.ok());
  for (const ConfigEntry& entry : first->entries) {
    INFO(entry.key->name);
    CHECK(Entry(*second, entry.key->name).text == entry.text);
  }
}

TEST_CASE("config: names of variables, flags and aliases are unique", "[apps][config]") {
  std::set<std::string> names;
  for (const ConfigKey& key : ConfigKeys()) {
    INFO(key.name);
    CHECK(names.insert(EnvironmentName(key)).second);
    if (!key.is_secret()) CHECK(names.insert(FlagName(key)).second);
    if (!key.flag_alias.empty()) CHECK(names.insert(std::string(key.flag_alias)).second);
  }
}

TEST_CASE("config: the reference document is the table of keys", "[apps][config]") {
  std::ifstream file(HOLDFAST_SOURCE_DIR "/docs/configuration.md");
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  const bool is_current = text == ConfigReference();
  INFO("run: holdfast check-config --reference > docs/configuration.md");
  CHECK(is_current);
}

TEST_CASE("config: the demo's configuration is valid", "[apps][config]") {
  Fixture fixture;
  fixture.sources().file = HOLDFAST_SOURCE_DIR "/deploy/demo/holdfast.toml";
  const auto configuration = LoadConfiguration(fixture.sources());
  CHECK(std::string(configuration.status().message()) == "");
}

}  // namespace
}  // namespace holdfast
